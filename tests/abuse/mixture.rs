//! All of it at once, as a dice has it.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use crate::{
    crowd, floods,
    random::{Random, seed},
    sizes, slow,
    stage::{Bounds, Ended, LEFT_OF_MUCH_MAX, Stage, Target, note},
};

/// Abusers at work at the same time, and for how long they begin anew.
const ABUSERS: u64 = 4;
const TIME: Duration = Duration::from_secs(6);

/// What one connection costs that is left open, at the most.
const MIXED: Bounds = Bounds { memory: 160 << 20, left: LEFT_OF_MUCH_MAX };

/// One abuse, which leaves nothing open behind.
fn abuse(kind: usize, target: Target) -> BoxFuture<'static, (&'static str, Ended)> {
    match kind {
        0 => Box::pin(async { ("idle frames", floods::idle(target).await) }),
        1 => Box::pin(async { ("rapid resets", floods::given_up(target).await) }),
        2 => Box::pin(async { ("provoked resets", floods::made_to_reset(target).await) }),
        3 => Box::pin(async { ("too many streams", floods::too_many(target).await) }),
        4 => Box::pin(async { ("unlawful frames", floods::unlawful(target).await) }),
        5 => Box::pin(async { ("endless heads", sizes::endless(target).await) }),
        6 => Box::pin(async { ("HPACK bombs", sizes::bomb(target).await) }),
        7 => Box::pin(async { ("resized dictionaries", sizes::resized(target).await) }),
        8 => Box::pin(async { ("garbage", crowd::garbage(target).await) }),
        9 => Box::pin(async { ("broken connections", crowd::broken(target).await) }),
        10 => Box::pin(async { ("idle connections", crowd::idle(target, 50).await.0) }),
        11 => Box::pin(async { ("without a message", slow::without_message(target, 20).await.0) }),
        12 => Box::pin(async { ("checks left open", slow::checks(target).await.0) }),
        13 => Box::pin(async { ("unread answers", slow::unread(target).await.0) }),
        14 => Box::pin(async { ("unread streams", slow::streams(target).await.0) }),
        _ => Box::pin(async { ("byte by byte", slow::byte_by_byte(target).await) }),
    }
}
/// How many there are.
const KINDS: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn all_abuses_at_once_in_any_order_harm_nobody() {
    let seed = seed("abuse");
    let stage = Stage::new(&[]).await;
    let target = stage.target();
    let mixing = async || {
        let begun = Instant::now();
        let abusers: Vec<_> = (0..ABUSERS)
            .map(|number| {
                let (target, mut dice) = (target.clone(), Random::new(seed.wrapping_add(number)));
                tokio::spawn(async move {
                    let mut done = Ended::new();
                    while begun.elapsed() < TIME {
                        let (name, _) = abuse(dice.below(KINDS), target.clone()).await;
                        note(&mut done, name);
                    }
                    done
                })
            })
            .collect();
        let mut all = Ended::new();
        for abuser in abusers {
            for (name, count) in abuser.await.unwrap() {
                *all.entry(name).or_default() += count;
            }
        }
        all
    };
    stage.abused("everything at once", MIXED, mixing).await;
}
