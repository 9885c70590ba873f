//! Every kind of change, at each moment that matters.

use std::sync::Arc;

use crate::{between::Before, changes::Change, world::World};

/// A test of each kind of change, in a world where the key is asked about as it says.
async fn each<F: Future<Output = ()>>(test: impl Fn(Arc<World>, Change) -> F) {
    for change in Change::ALL {
        let world = World::new().await;
        let before = change.prepare(&world).await;
        assert_ne!(before, change.answer(), "{change:?} makes a difference");
        println!("{change:?}");
        test(world, change).await;
    }
}

#[tokio::test]
async fn a_change_is_in_force_for_what_is_in_memory_when_it_returns() {
    each(async |world: Arc<World>, change: Change| {
        let before = world.ask().await;
        let (finds, hits) = (world.finds(), world.cache.counts().hits);
        assert_eq!(world.ask().await, before);
        assert_eq!((world.finds(), world.cache.counts().hits), (finds, hits + 1));
        change.make(&world).await.unwrap();
        assert_eq!(world.ask().await, change.answer());
        assert_eq!(world.finds(), finds + 1);
        assert_eq!(world.ask().await, change.answer());
        assert_eq!(world.finds(), finds + 1, "the new state is in memory");
    })
    .await;
}

#[tokio::test]
async fn what_was_read_before_a_change_and_put_in_after_does_not_count() {
    each(async |world: Arc<World>, change: Change| {
        let pause = world.pause(Before::FindReturns);
        let slow = world.ask_aside();
        pause.reached.await.unwrap();
        change.make(&world).await.unwrap();
        pause.release.send(()).unwrap();
        assert_ne!(slow.await.unwrap(), change.answer(), "it was asked before");
        assert_eq!(world.ask().await, change.answer());
        world.ask_until_hit(change.answer()).await;
    })
    .await;
}

#[tokio::test]
async fn who_joins_a_read_from_before_a_change_is_answered_by_another() {
    each(async |world: Arc<World>, change: Change| {
        let pause = world.pause(Before::FindReturns);
        let slow = world.ask_aside();
        pause.reached.await.unwrap();
        change.make(&world).await.unwrap();
        let joined = [world.ask_aside(), world.ask_aside()];
        while world.cache.counts().joins < 2 {
            tokio::task::yield_now().await;
        }
        let finds = world.finds();
        pause.release.send(()).unwrap();
        slow.await.unwrap();
        for joined in joined {
            assert_eq!(joined.await.unwrap(), change.answer());
        }
        assert_eq!(world.finds(), finds + 1, "one more read is enough for both");
    })
    .await;
}

#[tokio::test]
async fn a_change_that_can_be_seen_and_has_not_returned_is_in_force() {
    each(async |world: Arc<World>, change: Change| {
        world.ask().await;
        let pause = world.pause(Before::CommitReturns);
        let changing = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { change.make(&world).await })
        };
        pause.reached.await.unwrap();
        // A second call finds the change made, and returns at once: as if it had made it.
        if matches!(change, Change::Revoke | Change::Suspend | Change::Disable) {
            change.make(&world).await.unwrap();
        }
        assert_eq!(world.ask().await, change.answer());
        assert_eq!(world.ask().await, change.answer());
        pause.release.send(()).unwrap();
        changing.await.unwrap().unwrap();
        world.ask_until_hit(change.answer()).await;
    })
    .await;
}

#[tokio::test]
async fn a_change_is_in_force_although_who_asked_for_it_has_left() {
    each(async |world: Arc<World>, change: Change| {
        world.ask().await;
        let mut pause = world.pause(Before::CommitReturns);
        tokio::select! {
            _ = change.make(&world) => panic!("it returned before its commit did"),
            reached = &mut pause.reached => reached.unwrap(),
        }
        assert_eq!(world.ask().await, change.answer());
        pause.release.send(()).unwrap();
        world.ask_until_hit(change.answer()).await;
    })
    .await;
}
