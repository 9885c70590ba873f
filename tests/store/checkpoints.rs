//! The log held against a checkpoint: what its own hashes cannot tell is found, too.

use std::{fs, path::PathBuf, sync::Arc};

use keyward::{
    checkpoints::{CheckpointError, Checkpoints},
    domain::{
        checkpoint::{Checkpoint, CheckpointKey, Head, PublicKey, VerifierKey, open},
        event::{Event, Hash, Revision},
        ports::{Clock, Records as _},
        time::Timestamp,
    },
    store::{Store, VerifyError},
};
use tempfile::TempDir;

use crate::{
    database::Database,
    events::five,
    sample::{all_events, key, new_key, new_workspace},
};

/// Puts these events in the place of the log, and the counter after them, as who can write all
/// tables and knows all hashes does.
pub(crate) async fn forge(database: &impl Database, events: &[Event]) {
    for Event { revision, deed, previous, hash, .. } in events {
        let [previous, hash] = [previous, hash].map(|hash| database.literal(&hash.0));
        let set = format!("actor = '{}', previous_hash = {previous}, hash = {hash}", deed.actor);
        database.execute(&format!("UPDATE events SET {set} WHERE revision = {revision}")).await;
    }
    let last = events.last().unwrap();
    let (revision, hash) = (last.revision, database.literal(&last.hash.0));
    database.execute(&format!("DELETE FROM events WHERE revision > {revision}")).await;
    let nonce = format!("(SELECT nonce FROM events WHERE revision = {revision})");
    database
        .execute(&format!(
            "UPDATE counter SET revision = {revision}, last_hash = {hash}, nonce = {nonce}"
        ))
        .await;
}

/// The same events, bound to each other anew from the one on that is changed.
pub(crate) fn bound_anew(events: &[Event], edit: impl Fn(&mut Event)) -> Vec<Event> {
    let mut previous = Hash::default();
    let bind = |event: &Event| {
        let mut event = event.clone();
        edit(&mut event);
        let bound = Event::new(event.revision, event.time, event.deed, previous);
        previous = bound.hash;
        bound
    };
    events.iter().map(bind).collect()
}

pub(crate) async fn heads(store: &Store) -> Vec<Head> {
    let head = |event: &Event| Head { revision: event.revision, hash: event.hash };
    all_events(store).await.iter().map(head).collect()
}

/// What each way to verify says of the log that was once here.
pub(crate) async fn verdicts(store: &Store, known: Head) -> [Result<u64, VerifyError>; 2] {
    [
        store.verify_events_with(known).await.map(|verified| verified.count),
        store.verify_events_after(known).await.map(|verified| verified.count),
    ]
}

pub(crate) async fn a_log_goes_on_from_each_of_its_heads(database: &impl Database) {
    let store = five(database).await;
    let heads = heads(&store).await;
    assert_eq!(store.head().await.unwrap(), heads[4]);
    for known in heads.into_iter().chain([Head::default()]) {
        for verdict in verdicts(&store, known).await {
            assert_eq!(verdict.unwrap(), 5, "{known:?}");
        }
    }
}

pub(crate) async fn an_end_cut_off_with_care_is_found_by_a_checkpoint(database: &impl Database) {
    let store = five(database).await;
    let (events, heads) = (all_events(&store).await, heads(&store).await);
    forge(database, &events[..3]).await;
    assert_eq!(store.verify_events().await.unwrap().count, 3, "its own hashes cannot tell");
    for known in &heads[3..] {
        for verdict in verdicts(&store, *known).await {
            let Err(VerifyError::CutOff { ends, known: told }) = verdict else {
                panic!("{verdict:?}")
            };
            assert_eq!((ends, told), (Revision(3), known.revision));
        }
    }
    assert!(verdicts(&store, heads[2]).await.iter().all(Result::is_ok));
    // Grown again, it is as long as it was, but another.
    database.execute("DELETE FROM keys").await;
    for name in ["c", "d"] {
        store.commit(new_key(key(name))).await.unwrap();
    }
    assert_eq!(store.verify_events().await.unwrap().count, 5);
    for known in &heads[3..] {
        for verdict in verdicts(&store, *known).await {
            let Err(VerifyError::Rewritten(revision)) = verdict else { panic!("{verdict:?}") };
            assert_eq!(revision, known.revision);
        }
    }
}

pub(crate) async fn a_log_written_anew_is_found_by_a_checkpoint(database: &impl Database) {
    let store = five(database).await;
    let (events, heads) = (all_events(&store).await, heads(&store).await);
    let edited = bound_anew(&events, |event| {
        if event.revision == Revision(3) {
            event.deed.actor = "nobody".to_owned();
        }
    });
    forge(database, &edited).await;
    assert_eq!(store.verify_events().await.unwrap().count, 5, "its own hashes cannot tell");
    for known in &heads[2..] {
        for verdict in verdicts(&store, *known).await {
            let Err(VerifyError::Rewritten(revision)) = verdict else { panic!("{verdict:?}") };
            assert_eq!(revision, known.revision);
        }
    }
    assert!(verdicts(&store, heads[1]).await.iter().all(Result::is_ok));
}

/// A clock that stands still.
struct Still;

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// A clock of which the time is asked once, before a checkpoint is signed: then somebody else writes
/// this in the file.
struct Meanwhile(PathBuf, String);

impl Clock for Meanwhile {
    fn now(&self) -> Timestamp {
        fs::write(&self.0, &self.1).unwrap();
        NOW
    }
}

/// A log of five events whose checkpoints go to a file.
struct Signed {
    store: Arc<Store>,
    directory: TempDir,
}

impl Signed {
    async fn new(database: &impl Database) -> Self {
        Self { store: Arc::new(five(database).await), directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("checkpoint")
    }

    /// A process that signs with the key of this seed, after those of `older`.
    fn signer(&self, seed: u8, older: &[u8], file: Option<PathBuf>) -> Checkpoints {
        self.signer_by(Arc::new(Still), seed, older, file)
    }

    fn signer_by(
        &self,
        clock: Arc<dyn Clock>,
        seed: u8,
        older: &[u8],
        file: Option<PathBuf>,
    ) -> Checkpoints {
        let older: Vec<PublicKey> = older.iter().map(|seed| signing_key(*seed).public()).collect();
        let origin = "keyward".parse().unwrap();
        let keys = (signing_key(seed), &older[..]);
        Checkpoints::new(Arc::clone(&self.store), clock, keys, origin, file)
    }

    /// What is in the file, by the key of this seed.
    fn kept(&self, seed: u8) -> Checkpoint {
        let key = signing_key(seed).public();
        let key = VerifierKey { origin: "keyward".parse().unwrap(), key };
        open(&fs::read_to_string(self.path()).unwrap(), &[key]).unwrap()
    }
}

fn signing_key(seed: u8) -> CheckpointKey {
    CheckpointKey::new(&[seed; 32]).unwrap()
}

pub(crate) async fn the_newest_checkpoint_is_kept_and_goes_on_from_the_one_before(
    database: &impl Database,
) {
    let signed = Signed::new(database).await;
    let mut one = signed.signer(1, &[], Some(signed.path()));
    let made = one.sign().await.unwrap();
    let head = signed.store.head().await.unwrap();
    assert_eq!((made.head, made.time, &made), (head, NOW, &signed.kept(1)));
    signed.store.commit(new_workspace("later")).await.unwrap();
    // Another process with the same file, and a newer key.
    let mut other = signed.signer(2, &[1], Some(signed.path()));
    assert_eq!(other.sign().await.unwrap().head.revision, Revision(6));
    assert_eq!(signed.kept(2).head, signed.store.head().await.unwrap());
    let content: Vec<_> = fs::read_dir(signed.directory.path()).unwrap().collect();
    assert_eq!(content.len(), 1, "{content:?}");
}

pub(crate) async fn a_newer_checkpoint_that_came_meanwhile_stays(database: &impl Database) {
    let signed = Signed::new(database).await;
    let head = signed.store.head().await.unwrap();
    let told_of = |revision, time| {
        let head = Head { revision: Revision(revision), ..head };
        let checkpoint = Checkpoint { origin: "keyward".parse().unwrap(), head, time };
        signing_key(1).sign(&checkpoint)
    };
    let earlier = Timestamp::from_micros(NOW.micros() - 1_000_000);
    let cases = [(told_of(4, earlier), 5), (told_of(5, earlier), 5), (told_of(6, earlier), 6)];
    for (others, newest) in cases {
        let _ = fs::remove_file(signed.path());
        let clock = Arc::new(Meanwhile(signed.path(), others));
        let mut one = signed.signer_by(clock, 1, &[], Some(signed.path()));
        assert_eq!(one.sign().await.unwrap().head, head);
        let kept = signed.kept(1);
        let time = if newest == 5 { NOW } else { earlier };
        assert_eq!((kept.head.revision, kept.time), (Revision(newest), time));
    }
    // Nor is what nobody can rely on overwritten then.
    fs::remove_file(signed.path()).unwrap();
    let clock = Arc::new(Meanwhile(signed.path(), "damaged".to_owned()));
    let refused = signed.signer_by(clock, 1, &[], Some(signed.path())).sign().await.unwrap_err();
    assert!(matches!(refused, CheckpointError::Before { .. }), "{refused:?}");
    assert_eq!(fs::read_to_string(signed.path()).unwrap(), "damaged");
}

pub(crate) async fn no_checkpoint_is_signed_of_a_log_that_does_not_go_on(database: &impl Database) {
    let signed = Signed::new(database).await;
    let mut one = signed.signer(1, &[], Some(signed.path()));
    let mut in_memory = signed.signer(1, &[], None);
    let kept = one.sign().await.unwrap();
    in_memory.sign().await.unwrap();
    let older = fs::read(signed.path()).unwrap();
    signed.store.commit(new_workspace("later")).await.unwrap();
    one.sign().await.unwrap();
    let events = all_events(&signed.store).await;
    forge(database, &events[..3]).await;
    let mut started_later = signed.signer(1, &[], Some(signed.path()));
    for signer in [&mut one, &mut started_later, &mut in_memory] {
        let refused = signer.sign().await.unwrap_err();
        assert!(matches!(refused, CheckpointError::Log(VerifyError::CutOff { .. })), "{refused:?}");
    }
    assert_eq!(signed.kept(1).head.revision, Revision(6));
    // With an older file in place of the newest, who runs on knows better.
    fs::write(signed.path(), older).unwrap();
    let Err(CheckpointError::Log(VerifyError::CutOff { known, .. })) = one.sign().await else {
        panic!("the file is older than what was signed")
    };
    assert_eq!((known, signed.kept(1)), (Revision(6), kept));
    // Nor does it believe that there was none.
    fs::remove_file(signed.path()).unwrap();
    let refused = one.sign().await.unwrap_err();
    assert!(matches!(refused, CheckpointError::Log(VerifyError::CutOff { .. })), "{refused:?}");
    assert!(!signed.path().exists());
}

pub(crate) async fn a_file_that_is_not_to_be_relied_on_is_left_as_it_is(database: &impl Database) {
    let signed = Signed::new(database).await;
    signed.signer(2, &[], Some(signed.path())).sign().await.unwrap();
    let others = fs::read_to_string(signed.path()).unwrap();
    for text in [&others[..], &others[..20], "", "\u{fffd}"] {
        fs::write(signed.path(), text).unwrap();
        let refused = signed.signer(1, &[], Some(signed.path())).sign().await.unwrap_err();
        assert!(matches!(refused, CheckpointError::Before { .. }), "{refused:?}");
        assert_eq!(fs::read_to_string(signed.path()).unwrap(), text);
    }
    let nowhere = signed.directory.path().join("absent/checkpoint");
    let refused = signed.signer(1, &[], Some(nowhere)).sign().await.unwrap_err();
    assert!(matches!(refused, CheckpointError::File(_)), "{refused:?}");
}
