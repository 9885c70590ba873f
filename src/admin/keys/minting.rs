//! Keys that are made on behalf of another key, which they must not exceed.

use super::{WRITE, fresh};
use crate::{
    admin::{Admin, AdminError, Site, record::reached},
    domain::{
        caller::Caller,
        event::Revision,
        fault::Faults,
        key::{Key, KeyState},
        live::{LiveKey, Stored},
        name::{KeyName, WorkspaceName},
        ports::Guard,
        principal::Principal,
        time::Timestamp,
    },
};

/// A key on whose behalf another is made.
pub(super) struct Minter {
    key: Stored<Key>,
    principal: Option<Stored<Principal>>,
}

/// The name of the minting key, where one is given.
pub(super) fn named(
    caller: &Caller,
    text: &str,
    faults: &mut Faults,
) -> Result<Option<KeyName>, AdminError> {
    if text.is_empty() { Ok(None) } else { reached(caller, WRITE, "minting_key", text, faults) }
}

impl Admin {
    /// The minting key of this name, which must be of the same workspace and must work.
    pub(super) async fn minter(
        &self,
        name: &KeyName,
        parent: &WorkspaceName,
        site: &Site,
        now: Timestamp,
    ) -> Result<Minter, AdminError> {
        if name.parent() != *parent {
            return Err(AdminError::not_found(name));
        }
        let key = self.key_now(name).await?.key;
        let principal = match key.value.owner() {
            Some(owner) => Some(self.principal_now(&owner).await?),
            None => None,
        };
        let live = site.live(key.clone(), principal.clone());
        if key.value.state(now) != KeyState::Active || !live.is_enabled() {
            return Err(AdminError::MintingKeyNotActive(name.to_string()));
        }
        Ok(Minter { key, principal })
    }
}

impl Minter {
    /// Its identifier.
    pub(super) fn name(&self) -> &KeyName {
        &self.key.value.name
    }

    /// Refuses a key that exceeds this one. A role may be raised later, so the new key
    /// counts without its own; but of one owner the two are compared without either.
    pub(super) fn check(&self, new: &Key, site: &Site, now: Timestamp) -> Result<(), AdminError> {
        let one_owner = new.principal.is_some() && new.principal == self.key.value.principal;
        let principal = if one_owner { None } else { self.principal.clone() };
        let ours: LiveKey = site.live(self.key.clone(), principal);
        let fields = ours.exceeded_by(&site.live(fresh(new.clone(), now), None));
        if fields.is_empty() { Ok(()) } else { Err(AdminError::BroaderThanMintingKey(fields)) }
    }

    /// What must still be so when the new key is made.
    pub(super) fn guards(&self) -> Vec<(Guard, Revision)> {
        let owner = self.principal.as_ref();
        let owner = owner.map(|owner| (Guard::Principal(owner.value.name.clone()), owner.revision));
        let own = (Guard::Key(self.name().clone()), self.key.revision);
        std::iter::once(own).chain(owner).collect()
    }
}
