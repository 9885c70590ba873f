//! Who calls Keyward, and what that caller may do.

use std::{fmt::Display, sync::Arc};

use super::{
    identity::{Identity, Standing},
    live::LiveKey,
    resource::Path,
    scope::ScopeId,
    system::SystemScope,
    time::Moment,
};

/// A backend or operator, by the key of the workspace `system` that it called with, or by
/// the certificate of its connection.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What it may do. Of a caller by a certificate this key is nowhere but here.
    key: Arc<LiveKey>,
    /// None: the key is its own.
    certified: Option<Certified>,
    /// Until when it waits for an answer, where that is known.
    patience: Option<Moment>,
}

/// By what a caller is known who has no key.
#[derive(Clone, Debug)]
struct Certified {
    identity: Identity,
    /// Of its place on the list of callers, and of its certificate.
    standings: [Standing; 2],
}

/// What a caller may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It lacks the scope.
    ScopeMissing(SystemScope),
    /// It does not reach the resource, of which it is told nothing.
    Hidden(String),
    /// The key of the workspace `system` that it would make or handle is broader than
    /// its own, in these fields.
    Broader(Vec<&'static str>),
}

impl Caller {
    /// The caller whose key this is; nothing for a key of another workspace.
    pub fn new(key: Arc<LiveKey>) -> Option<Self> {
        key.name().workspace.is_system().then_some(Self { key, certified: None, patience: None })
    }

    /// The caller of this identity, who may do what a key like this one may, as long as its place on the list of
    /// callers and its certificate count.
    pub fn certified(
        identity: Identity,
        like: Arc<LiveKey>,
        listed: Standing,
        certificate: Standing,
    ) -> Self {
        let certified = Certified { identity, standings: [listed, certificate] };
        Self { key: like, certified: Some(certified), patience: None }
    }

    /// Whether it is known by a certificate, and has meanwhile been taken off the list, or may now do something else,
    /// or its authority is none any more.
    pub fn is_withdrawn(&self) -> bool {
        let standings = self.certified.iter().flat_map(|certified| &certified.standings);
        standings.into_iter().any(Standing::is_withdrawn)
    }

    /// The same caller, who waits until this moment and no longer.
    #[must_use]
    pub fn until(self, moment: Moment) -> Self {
        Self { patience: Some(moment), ..self }
    }

    /// Until when it waits. None: as long as it takes.
    pub fn patience(&self) -> Option<Moment> {
        self.patience
    }

    /// Its key. None: it is known by its certificate.
    pub fn key(&self) -> Option<&LiveKey> {
        self.certified.is_none().then_some(&*self.key)
    }

    /// What it is called, in the log of changes too: the resource name of its key, or the
    /// identity of its certificate.
    pub fn name(&self) -> String {
        match &self.certified {
            Some(certified) => certified.identity.to_string(),
            None => self.key.name().to_string(),
        }
    }

    /// Whether it may make or handle this key. Whoever has a key of the workspace
    /// `system` is a caller too, and none makes one that is more than itself.
    ///
    /// # Errors
    ///
    /// Where the key is one of a caller, and broader.
    pub fn may_handle(&self, key: &LiveKey) -> Result<(), Refused> {
        if !key.name().workspace.is_system() {
            return Ok(());
        }
        let fields = self.key.exceeded_by(key);
        if fields.is_empty() { Ok(()) } else { Err(Refused::Broader(fields)) }
    }

    fn number(&self, scope: SystemScope) -> Option<ScopeId> {
        self.key.policy().built_in(scope)
    }

    /// Whether it has the scope at all, on whatever resource. To be asked before
    /// anything else is looked at (AIP-211).
    ///
    /// # Errors
    ///
    /// Where it has not.
    pub fn require(&self, scope: SystemScope) -> Result<(), Refused> {
        let held = self.number(scope).is_some_and(|number| self.key.holds_somewhere(number));
        if held { Ok(()) } else { Err(Refused::ScopeMissing(scope)) }
    }

    /// Whether it has the scope on the resource of this name.
    ///
    /// # Errors
    ///
    /// Where it has the scope nowhere, or not there.
    pub fn reach(&self, scope: SystemScope, name: &impl Display) -> Result<(), Refused> {
        if self.number(scope).is_some_and(|number| self.key.holds_everywhere(number)) {
            return Ok(());
        }
        self.require(scope)?;
        let name = name.to_string();
        let reached = match Path::parse(&self.key.policy().document().resources, &name) {
            Ok(path) => {
                let number = self.number(scope);
                self.key.admits(Some(&path))
                    && number.is_some_and(|number| self.key.holds(number, Some(&path)))
            }
            Err(_) => false,
        };
        if reached { Ok(()) } else { Err(Refused::Hidden(name)) }
    }

    /// Whether it has the scope on everything.
    ///
    /// # Errors
    ///
    /// Where it has the scope nowhere, or on some resources only.
    pub fn reach_all(&self, scope: SystemScope) -> Result<(), Refused> {
        self.require(scope)?;
        let number = self.number(scope);
        let reached =
            self.key.admits(None) && number.is_some_and(|number| self.key.holds(number, None));
        if reached { Ok(()) } else { Err(Refused::ScopeMissing(scope)) }
    }
}
