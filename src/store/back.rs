//! The way back of a schema, for an older version.

use migrations::WentBack;
use sea_orm::{DatabaseConnection, DbErr};

use super::{Home, OpenError, Place, Store, postgres};

/// Which way a schema goes.
#[derive(Clone, Copy)]
pub(super) enum Course<'a> {
    /// To this version.
    Up,
    /// Back to a change, which stays, else to the last but one; `true` whatever is lost.
    Back(Option<&'a str>, bool),
}

impl Course<'_> {
    pub(super) async fn go(self, db: &DatabaseConnection) -> Result<WentBack, DbErr> {
        match self {
            Self::Up => migrations::up(db).await.map(|()| WentBack::Taken(Vec::new())),
            Self::Back(to, force) => migrations::back(db, to, force).await,
        }
    }
}

/// Why a schema stays as it is. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The change to go back to is not among those that were made.
    #[error(
        "the database {place} has no change of the schema called {to:?}; it has {}",
        .made.join(", ")
    )]
    Unknown {
        /// The database.
        place: Place,
        /// What was asked for.
        to: String,
        /// The changes, oldest first.
        made: Vec<String>,
    },
    /// Servers that answer from memory would not be waited for any more.
    #[error(
        "{count} servers use the database {place}, or were cut off from it; stop all of them first, and give --force if they are gone for good"
    )]
    InUse {
        /// The database.
        place: Place,
        /// How many.
        count: i64,
    },
    /// Something in the database would be lost.
    #[error(
        "{place} would lose {}; back it up, and give --force if that may be lost",
        .lost.join("; and ")
    )]
    Losing {
        /// The database.
        place: Place,
        /// What.
        lost: Vec<&'static str>,
    },
}

impl Store {
    /// Takes changes of the schema back, for an older version: all after `to`, which stays, else the newest. Returns
    /// them, the newest first; none where there is nothing to do. This store is not to be used any more afterwards.
    ///
    /// # Errors
    ///
    /// [`BackError`]. Unless `force`, servers that use the database and records that would be lost keep it as it is.
    /// Each change is taken back whole or not at all.
    pub async fn migrate_back(
        &self,
        to: Option<&str>,
        force: bool,
    ) -> Result<Vec<String>, BackError> {
        self.schema_fits().await?;
        let course = Course::Back(to, force);
        let went = match &self.home {
            Home::File(_) => course
                .go(&self.writer.pool())
                .await
                .map_err(|error| OpenError::database(&self.place, error))?,
            Home::Server(options) => postgres::migrate(options, course).await?,
        };
        let place = self.place.clone();
        match went {
            WentBack::Taken(changes) => Ok(changes),
            WentBack::Unknown(made) => {
                Err(BackError::Unknown { place, to: to.unwrap_or_default().to_owned(), made })
            }
            WentBack::InUse(count) => Err(BackError::InUse { place, count }),
            WentBack::Losing(lost) => Err(BackError::Losing { place, lost }),
        }
    }
}
