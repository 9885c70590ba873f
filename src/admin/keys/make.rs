//! The steps by which a key is made, alone or as one of several.

use std::collections::HashMap;

use super::{fresh, minting, minting::Minter, presets, risks};
use crate::{
    admin::{Admin, AdminError, CreateKey, Site, error::invalid},
    domain::{
        caller::Caller,
        event::Revision,
        fault::Faults,
        key::Key,
        live::Stored,
        name::{Id, KeyName, PrincipalName, WorkspaceName},
        policy::{CompiledPolicy, KeyType},
        ports::Guard,
        principal::Principal,
        time::Timestamp,
        warning::Warning,
    },
};

/// What of a request to make a key is read whatever the rules.
pub(super) struct Form {
    /// The identifier. None: any.
    pub(super) id: Option<Id>,
    /// The key on whose behalf. None: nobody's.
    pub(super) minting_key: Option<KeyName>,
}

/// A key that may be made.
pub(super) struct Made {
    pub(super) key: Key,
    /// What must still be so when it is.
    pub(super) guards: Vec<(Guard, Revision)>,
    /// What is legal but risky in it.
    pub(super) warnings: Vec<Warning>,
}

impl Made {
    /// How many grants it holds.
    pub(super) fn grants(&self) -> usize {
        self.key.grants.len()
    }
}

/// The making of keys in one workspace, with what was read for those before.
pub(super) struct Making<'a> {
    caller: &'a Caller,
    site: &'a Site,
    now: Timestamp,
    owners: HashMap<PrincipalName, Stored<Principal>>,
    minters: HashMap<KeyName, Minter>,
}

impl<'a> Making<'a> {
    pub(super) fn new(caller: &'a Caller, site: &'a Site, now: Timestamp) -> Self {
        Self { caller, site, now, owners: HashMap::new(), minters: HashMap::new() }
    }

    fn parent(&self) -> &'a WorkspaceName {
        &self.site.workspace.value.name
    }
}

impl CreateKey {
    /// Reads what needs no rules; the caller must reach the minting key.
    pub(super) fn form(&self, caller: &Caller, faults: &mut Faults) -> Result<Form, AdminError> {
        let id = match self.id.as_str() {
            "" => None,
            id => faults.take("key_id", id.parse::<Id>()),
        };
        let minting_key = minting::named(caller, &self.minting_key, faults)?;
        Ok(Form { id, minting_key })
    }

    /// The key that is meant, of no name yet, where nothing is wrong with it.
    pub(super) fn read(
        &self,
        parent: &WorkspaceName,
        policy: &CompiledPolicy,
        now: Timestamp,
        faults: &mut Faults,
    ) -> Option<Key> {
        presets::check(&self.presets, policy, faults);
        self.draft.read(parent, policy, !self.presets.is_empty(), now, faults)
    }
}

impl Admin {
    /// Whether a key may be made, and with what it comes to hold.
    pub(super) async fn make(
        &self,
        making: &mut Making<'_>,
        request: &CreateKey,
        mut key: Key,
        minting_key: Option<KeyName>,
    ) -> Result<Made, AdminError> {
        let (site, now) = (making.site, making.now);
        let kind = site.policy.named_key_type(&key.key_type);
        let principal = self.owner(making, &request.draft.principal, kind).await?;
        let role = principal.as_ref().map(|owner| owner.value.role.as_str());
        presets::expand(&request.presets, &site.policy, role, &mut key)?;
        let mut guards = site.guards();
        if let Some(name) = minting_key {
            let minter = match making.minters.get(&name) {
                Some(minter) => minter,
                None => {
                    let minter = self.minter(&name, making.parent(), site, now).await?;
                    making.minters.entry(name.clone()).or_insert(minter)
                }
            };
            minter.check(&key, site, now)?;
            guards.extend(minter.guards());
            key.minting_key = Some(name.key);
        }
        let live = site.live(fresh(key.clone(), now), principal.clone());
        making.caller.may_handle(&live)?;
        let warnings = risks(&live);
        guards.extend(principal.map(|owner| (Guard::Principal(owner.value.name), owner.revision)));
        Ok(Made { key, guards, warnings })
    }

    /// The owner of a key about to be made, who must be of the same workspace, of a kind
    /// that keys of its type are for, and enabled.
    async fn owner(
        &self,
        making: &mut Making<'_>,
        name: &str,
        kind: Option<&KeyType>,
    ) -> Result<Option<Stored<Principal>>, AdminError> {
        let Ok(name) = name.parse::<PrincipalName>() else { return Ok(None) };
        if name.parent() != *making.parent() {
            return Err(AdminError::not_found(&name));
        }
        let owner = match making.owners.get(&name) {
            Some(owner) => owner.clone(),
            None => {
                let owner = self.principal_now(&name).await?;
                making.owners.insert(name.clone(), owner.clone());
                owner
            }
        };
        if let Some(kind) = kind
            && let Err(wrong) = owner.value.kind.is_among(&kind.principal_kinds)
        {
            let mut faults = Faults::new();
            faults.note("key.principal", format_args!("the key type {:?} {wrong}", kind.name));
            return Err(invalid(faults));
        }
        if owner.value.disabled {
            return Err(AdminError::PrincipalDisabled(name.to_string()));
        }
        Ok(Some(owner))
    }
}
