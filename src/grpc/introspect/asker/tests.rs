//! Questions while the database fails, and while it is silent.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use async_trait::async_trait;
use ring::rand::SystemRandom;

use super::*;
use crate::domain::{
    limit::{CannotTell, Charge, Limiter, Verdict},
    live::LiveKey,
    ports::{Clock, FindKey, StoreError},
    secret::{Digest, Keyring, Prefix, SigningKey},
    time::Timestamp,
};

/// What a question may take.
const MAX: Duration = Duration::from_secs(7);

/// A database that can not be asked.
#[derive(Clone, Copy)]
enum Database {
    Fails,
    IsSilent,
}

#[async_trait]
impl FindKey for Database {
    async fn find_key(&self, _: &Digest) -> Result<Option<Arc<LiveKey>>, StoreError> {
        match self {
            Self::Fails => Err(StoreError::Unavailable("on purpose".into())),
            Self::IsSilent => std::future::pending().await,
        }
    }
}

struct Unasked;

#[async_trait]
impl Limiter for Unasked {
    async fn take(&self, _: &Charge<'_>) -> Result<Verdict, CannotTell> {
        panic!("no key was found")
    }
}

impl Clock for Unasked {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
}

/// One who asks with a secret that may be of a key.
fn asker(database: Database) -> Arc<Asker> {
    let version = '0'.try_into().unwrap();
    let keyring = Keyring::new(vec![SigningKey::new(version, &[7; 32])], version).unwrap();
    let prefix = Prefix::parse("mfk_live").unwrap();
    let secret = keyring.mint(&prefix, &SystemRandom::new()).unwrap().secret;
    let introspection = Arc::new(Introspection::new(
        Arc::new(keyring),
        Arc::new(database),
        Arc::new(Unasked),
        Arc::new(Unasked),
    ));
    let credentials = Credentials::new(secret, None, Arc::clone(&introspection));
    Arc::new(Asker::new(introspection, credentials, MAX))
}

/// The code and the reason of the error of a question, which does not end its stream, and how long
/// that took.
async fn error(database: Database) -> (i32, String, Duration) {
    let begun = tokio::time::Instant::now();
    let question = StreamIntrospectRequest { id: 3, request: Some(IntrospectRequest::default()) };
    let answer = tokio::time::timeout(2 * MAX, asker(database).answer(question).unwrap()).await;
    let StreamIntrospectResponse { id, outcome } = answer.unwrap().unwrap();
    assert_eq!(id, 3);
    let Some(Outcome::Error(error)) = outcome else { panic!("{outcome:?}") };
    (error.code, error.reason, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_database_that_fails_is_the_error_of_the_question_alone() {
    let (code, reason, _) = error(Database::Fails).await;
    assert_eq!(code, i32::from(Status::unavailable("").code()));
    assert_eq!(reason, "STORE_UNAVAILABLE");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_silent_costs_the_question_its_time_and_not_the_stream() {
    let (code, reason, passed) = error(Database::IsSilent).await;
    assert_eq!(code, i32::from(Status::deadline_exceeded("").code()));
    assert_eq!(reason, "DEADLINE_EXCEEDED");
    assert!(passed >= MAX && passed < MAX + Duration::from_millis(10), "{passed:?}");
}

#[tokio::test]
async fn a_caller_is_not_sent_away_for_a_database_that_fails() {
    assert!(asker(Database::Fails).check().await.is_ok());
}
