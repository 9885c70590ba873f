//! What a new deployment begins with: the built-in policy and workspace, and the
//! first key of a caller.

use super::{Actor, Admin, AdminError, Intent, corrupt, keys::KeyPlan};
use crate::domain::{
    event::Kind,
    key::{Grant, Key},
    name::{Id, KeyName},
    network::AllowedNetworks,
    secret::Secret,
    system::{self, SystemScope},
    workspace::Workspace,
};

/// What the log calls the command.
const ACTOR: &str = "bootstrap";
/// What the log calls it where it was told to mint another key.
const ACTOR_FORCED: &str = "bootstrap --force";
/// The identifier of the first key.
const FIRST_KEY: &str = "bootstrap";

/// What a bootstrap led to.
pub enum Bootstrapped {
    /// A key that may do everything, with its secret.
    Minted(KeyName, Secret),
    /// It was done before; nothing was made.
    Done(KeyName),
}

impl Admin {
    /// Writes the built-in policy and workspace where they are not there, or are of
    /// another version.
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`].
    pub async fn install(&self) -> Result<(), AdminError> {
        self.retry(Actor::Command(ACTOR), || self.install_once()).await
    }

    async fn install_once(&self) -> Result<(), AdminError> {
        let (actor, intent) = (Actor::Command(ACTOR), Intent::default());
        let (name, policy) = (system::policy_name(), system::policy());
        let stored = self.records.policy(&name).await?;
        let kind = if stored.is_some() { Kind::PolicyUpdated } else { Kind::PolicyCreated };
        self.put(actor, &intent, kind, Vec::new(), stored, (name, policy)).await?;
        let workspace: Workspace = system::workspace();
        if self.records.workspace(&workspace.name).await?.is_none() {
            let kind = Kind::WorkspaceCreated;
            self.put(actor, &intent, kind, Vec::new(), None, workspace).await?;
        }
        Ok(())
    }

    /// Mints the first key of a caller, which may do everything; with `force` another
    /// one. To be called after [`Self::install`].
    ///
    /// # Errors
    ///
    /// [`AdminError::Store`], [`AdminError::NoEntropy`].
    pub async fn bootstrap(&self, force: bool) -> Result<Bootstrapped, AdminError> {
        self.retry(Actor::Command(ACTOR), || self.bootstrap_once(force)).await
    }

    async fn bootstrap_once(&self, force: bool) -> Result<Bootstrapped, AdminError> {
        let workspace = system::workspace_name();
        let id = |text: &str| text.parse::<Id>().map_err(|error| corrupt(error.to_string()));
        let mut name = KeyName { workspace: workspace.workspace.clone(), key: id(FIRST_KEY)? };
        if self.records.key(&name).await?.is_some() {
            if !force {
                return Ok(Bootstrapped::Done(name));
            }
            name.key = self.new_id()?;
        }
        let site = self.site(&workspace).await?;
        let kind = site
            .policy
            .key_type("")
            .ok_or_else(|| corrupt("the built-in policy has no key type".to_owned()))?;
        let key = Key {
            name: name.clone(),
            title: "bootstrap".parse().unwrap_or_default(),
            key_type: kind.name.clone(),
            principal: None,
            grants: vec![Grant { scope: SystemScope::All.as_str().to_owned(), resource: None }],
            constraint: Vec::new(),
            allowed_cidrs: AllowedNetworks::default(),
            expire_time: None,
            plan: String::new(),
            labels: std::collections::BTreeMap::new(),
            minting_key: None,
            revoke_time: None,
        };
        let actor = if force { ACTOR_FORCED } else { ACTOR };
        let plan = KeyPlan::new(Kind::KeyCreated, site.guards());
        let issued =
            self.issue(Actor::Command(actor), &Intent::default(), &site.policy, plan, key).await?;
        let secret =
            issued.secret.ok_or_else(|| corrupt("a key was made without a secret".to_owned()))?;
        Ok(Bootstrapped::Minted(name, secret))
    }
}
