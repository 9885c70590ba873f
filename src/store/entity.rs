//! The rows of each table, and what they mean to the domain.

pub(super) mod counter;
pub(super) mod event;
pub(super) mod key;
pub(super) mod key_scope;
pub(super) mod keyring;
pub(super) mod last_use;
pub(super) mod policy;
pub(super) mod principal;
pub(super) mod request;
pub(super) mod secret;
pub(super) mod workspace;

use std::str::FromStr;

use sea_orm::{ActiveValue, Set};
use serde::{Serialize, de::DeserializeOwned};

use crate::domain::{
    event::{Hash, Revision},
    live::Stored,
    ports::StoreError,
    time::Timestamp,
};

/// What a write leaves on a record: which event it was, and when.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) revision: Revision,
    pub(super) time: Timestamp,
}

impl Stamp {
    fn revision(self) -> ActiveValue<i64> {
        Set(self.revision.0)
    }

    /// For a new record: of one that is there, the write leaves it as it is.
    fn create_time(self) -> ActiveValue<i64> {
        Set(self.time.micros())
    }

    fn update_time(self) -> ActiveValue<i64> {
        Set(self.time.micros())
    }
}

fn stored<T>(value: T, revision: i64, create_time: i64, update_time: i64) -> Stored<T> {
    let [create_time, update_time] = [create_time, update_time].map(Timestamp::from_micros);
    Stored { value, revision: Revision(revision), create_time, update_time }
}

pub(super) fn optional(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// What a column holds is none of what it may. Never says what it holds.
pub(super) fn corrupt(column: &str) -> StoreError {
    StoreError::Corrupt(format!("{column} is malformed"))
}

fn parse<T: FromStr>(text: &str, column: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_| corrupt(column))
}

pub(super) fn from_json<T: DeserializeOwned>(
    text: &str,
    column: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| corrupt(column))
}

fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|_| StoreError::Corrupt("a record cannot be written as JSON".to_owned()))
}

pub(super) fn hash(bytes: &[u8], column: &'static str) -> Result<Hash, StoreError> {
    bytes.try_into().map(Hash).map_err(|_| corrupt(column))
}
