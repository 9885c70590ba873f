//! Which signing keys a database was used with.

use sea_orm::{EntityTrait as _, Set};

use super::{
    OpenError, Store,
    commit::begin,
    entity::keyring::{ActiveModel, Entity},
};
use crate::domain::secret::Keyring;

impl Store {
    /// Notes the fingerprints of signing keys that are new to the database, and sees
    /// to it that the others are the same as ever. Versions that the keyring no longer
    /// has are no fault.
    ///
    /// # Errors
    ///
    /// [`OpenError::WrongKeyring`] where a version has another key than before, and then nothing
    /// is noted; [`OpenError::Database`] where the database cannot be asked.
    pub async fn check_keyring(&self, keyring: &Keyring) -> Result<(), OpenError> {
        let failed = |error| OpenError::database(&self.path, error);
        let transaction = begin(&self.writer).await.map_err(failed)?;
        for key in keyring.keys() {
            let (version, fingerprint) = (key.version(), key.fingerprint());
            let known =
                Entity::find_by_id(version.to_string()).one(&transaction).await.map_err(failed)?;
            match known {
                Some(known) if known.fingerprint == fingerprint => {}
                Some(_) => {
                    return Err(OpenError::WrongKeyring { path: self.path.clone(), version });
                }
                None => {
                    let row = ActiveModel {
                        version: Set(version.to_string()),
                        fingerprint: Set(fingerprint.to_vec()),
                    };
                    Entity::insert(row)
                        .exec_without_returning(&transaction)
                        .await
                        .map_err(failed)?;
                }
            }
        }
        transaction.commit().await.map_err(failed)
    }
}
