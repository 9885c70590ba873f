//! Which signing keys a database was used with.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    SelectExt as _, Set,
    sea_query::{Expr, ExprTrait as _, Query},
};

use super::{
    Home, OpenError, Store,
    commit::begin,
    entity::{
        counter, key,
        keyring::{ActiveModel, Entity},
        secret,
    },
    error::store_error,
};
use crate::domain::{ports::StoreError, secret::Keyring};

impl Store {
    /// Whether a keyring may be made where there is none: nothing was signed yet. Where other
    /// processes use the database too, none of them may have noted another one either.
    ///
    /// # Errors
    ///
    /// Where the database cannot be asked.
    pub async fn may_make_keyring(&self) -> Result<bool, StoreError> {
        if self.has_secrets().await? {
            return Ok(false);
        }
        match self.home {
            Home::File(_) => Ok(true),
            Home::Server(_) => {
                Entity::find().exists(&self.readers).await.map(|noted| !noted).map_err(store_error)
            }
        }
    }

    /// Notes the fingerprints of signing keys that are new to the database, and sees
    /// to it that the others are the same as ever. A version that the keyring no longer
    /// has is a fault as long as a secret of a key that was not revoked, and that was not replaced itself, was signed with it: of those that
    /// were noted, as every one is before it signs; of all, where the database has lost the note of
    /// every one. Without
    /// any secret there is nothing to hold a keyring against; but where other processes use
    /// the database, one of them may be about to sign, and the first keyring is that of all.
    ///
    /// # Errors
    ///
    /// [`OpenError::WrongKeyring`] where a version has another key than before,
    /// [`OpenError::MissingKey`] where one is missing that is needed, and then nothing is noted;
    /// [`OpenError::Database`] where the database cannot be asked.
    pub async fn check_keyring(&self, keyring: &Keyring) -> Result<(), OpenError> {
        let failed = |error| OpenError::database(&self.place, error);
        let transaction = begin(&self.writer).await.map_err(failed)?;
        // Of several processes that start at once, one after the other.
        counter::Entity::find().lock_exclusive().one(&transaction).await.map_err(failed)?;
        if matches!(self.home, Home::File(_))
            && secret::Entity::find().one(&transaction).await.map_err(failed)?.is_none()
        {
            // Nothing was signed: a keyring that was made and lost before is no loss.
            Entity::delete_many().exec(&transaction).await.map_err(failed)?;
        }
        let noted = Entity::find().all(&transaction).await.map_err(failed)?;
        let noted: BTreeMap<_, _> =
            noted.into_iter().map(|row| (row.version, row.fingerprint)).collect();
        for key in keyring.keys() {
            let (version, fingerprint) = (key.version(), key.fingerprint());
            match noted.get(&version.to_string()) {
                Some(known) if *known == fingerprint => {}
                Some(_) => {
                    return Err(OpenError::WrongKeyring { place: self.place.clone(), version });
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
        if let Some(version) = missing(&transaction, keyring, &noted).await.map_err(failed)? {
            return Err(OpenError::MissingKey { place: self.place.clone(), version });
        }
        transaction.commit().await.map_err(failed)
    }
}

/// A version that the keyring no longer has, and a secret that was not replaced was signed with, of a key that was not
/// revoked: of a key that is denied for ever the signing key is missed by nobody, and no rotation could replace the secret.
/// Whoever signs has noted the version before. So no secret is looked at where the keyring has all
/// that were noted: there may be millions, and no index of their versions. Where none was noted,
/// the notes are lost, if anything was signed: then every secret is looked at.
async fn missing(
    transaction: &impl ConnectionTrait,
    keyring: &Keyring,
    noted: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<String>, DbErr> {
    let held: Vec<_> = keyring.keys().map(|key| key.version().to_string()).collect();
    let gone: Vec<_> = noted.keys().filter(|version| !held.contains(version)).collect();
    let is_gone = match (noted.is_empty(), gone.is_empty()) {
        (true, _) => secret::Column::Version.is_not_in(held),
        (false, true) => return Ok(None),
        (false, false) => secret::Column::Version.is_in(gone),
    };
    let secret = |column| Expr::col((secret::Entity, column));
    let key = |column| Expr::col((key::Entity, column));
    let of_a_live_key = Query::select()
        .expr(Expr::val(1))
        .from(key::Entity)
        .and_where(key(key::Column::Workspace).eq(secret(secret::Column::Workspace)))
        .and_where(key(key::Column::Id).eq(secret(secret::Column::Key)))
        .and_where(key(key::Column::RevokeTime).is_null())
        .take();
    let orphan = secret::Entity::find()
        .filter(is_gone)
        .filter(Expr::exists(of_a_live_key))
        .filter(secret::Column::ReplacedTime.is_null())
        .one(transaction)
        .await?;
    Ok(orphan.map(|secret| secret.version))
}
