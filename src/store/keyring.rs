//! Which signing keys a database was used with.

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, Set};

use super::{
    OpenError, Store,
    commit::begin,
    entity::{
        keyring::{ActiveModel, Entity},
        secret,
    },
};
use crate::domain::secret::Keyring;

impl Store {
    /// Notes the fingerprints of signing keys that are new to the database, and sees
    /// to it that the others are the same as ever. A version that the keyring no longer
    /// has is a fault as long as a secret that was not replaced was signed with it. Without
    /// any secret there is nothing to hold a keyring against.
    ///
    /// # Errors
    ///
    /// [`OpenError::WrongKeyring`] where a version has another key than before,
    /// [`OpenError::MissingKey`] where one is missing that is needed, and then nothing is noted;
    /// [`OpenError::Database`] where the database cannot be asked.
    pub async fn check_keyring(&self, keyring: &Keyring) -> Result<(), OpenError> {
        let failed = |error| OpenError::database(&self.path, error);
        let transaction = begin(&self.writer).await.map_err(failed)?;
        if secret::Entity::find().one(&transaction).await.map_err(failed)?.is_none() {
            // Nothing was signed: a keyring that was made and lost before is no loss.
            Entity::delete_many().exec(&transaction).await.map_err(failed)?;
        }
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
        let held = keyring.keys().map(|key| key.version().to_string());
        let orphan = secret::Entity::find()
            .filter(secret::Column::Version.is_not_in(held))
            .filter(secret::Column::ReplacedTime.is_null())
            .one(&transaction)
            .await
            .map_err(failed)?;
        if let Some(secret::Model { version, .. }) = orphan {
            return Err(OpenError::MissingKey { path: self.path.clone(), version });
        }
        transaction.commit().await.map_err(failed)
    }
}
