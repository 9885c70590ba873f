//! Whether a request may go on. The order of the questions is security: nothing
//! is said of a resource to whom may not know of it, and nothing of scopes to
//! whom has no key.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::{
    key::KeyState,
    live::LiveKey,
    policy::{UnmatchedResource, compiled::unknown},
    resource::{InvalidPath, Path},
    scope::{Names, ScopeId, ScopeSet},
    time::Timestamp,
};

/// What is asked of a key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inquiry<'a> {
    /// The client's address. None: not known.
    pub client: Option<IpAddr>,
    /// The scopes that the request needs, all of them.
    pub required_scopes: Names<'a>,
    /// The resource that it is about. None: none.
    pub resource: Option<&'a str>,
    /// The class that rate limits count it in. None: that of its first required scope.
    pub class: Option<&'a str>,
    /// Whether it is not to be told what may be meant by a name that is not known.
    pub without_hint: bool,
}

/// An inquiry about a key that can be used, read by its policy.
#[derive(Debug)]
pub struct Examined<'a> {
    /// Few, nearly always.
    required: SmallVec<[ScopeId; 4]>,
    resource: Option<Path<'a>>,
    class: Option<&'a str>,
}

/// Why a request may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The secret is none of ours, or a newer one replaced it.
    InvalidKey,
    /// The key was ended.
    Revoked,
    /// The key's time is over.
    Expired,
    /// The workspace is suspended or the principal is disabled.
    Disabled,
    /// The client's address is not among the key's, or not known.
    IpNotAllowed,
    /// A rate limit is spent.
    RateLimited,
    /// The resource is outside the key's bounds, and that is not said.
    NotFound,
    /// The resource is outside the key's bounds.
    OutsideConstraint,
    /// A required scope is missing.
    InsufficientScope,
}

impl Denial {
    /// Whether the key itself works (RFC 7662, `active`).
    pub fn is_active(self) -> bool {
        !matches!(self, Self::InvalidKey | Self::Revoked | Self::Expired | Self::Disabled)
    }
}

/// The answer to an inquiry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Why not. None: the request may go on.
    pub denial: Option<Denial>,
    /// The required scopes that are missing.
    pub missing: Vec<ScopeId>,
}

impl From<Denial> for Decision {
    fn from(denial: Denial) -> Self {
        Self { denial: Some(denial), ..Self::default() }
    }
}

/// An inquiry that makes no sense under the key's policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInquiry {
    /// The policy does not know a required scope.
    #[error("the policy has no scope {scope:?}")]
    UnknownScope {
        /// The scope that is required.
        scope: String,
        /// The one that may be meant.
        nearest: Option<String>,
    },
    /// The policy does not know the class, although it has some.
    #[error("{0}")]
    UnknownClass(String),
    /// The resource is no path of the policy's form.
    #[error("the resource {0}")]
    Resource(#[from] InvalidPath),
}

impl LiveKey {
    /// Decides an inquiry at `now`, rate limits apart.
    ///
    /// # Errors
    ///
    /// As [`LiveKey::examine`].
    pub fn decide(
        &self,
        inquiry: &Inquiry<'_>,
        now: Timestamp,
    ) -> Result<Decision, InvalidInquiry> {
        Ok(match self.examine(inquiry, now)? {
            Ok(examined) => self.permit(&examined),
            Err(denial) => denial.into(),
        })
    }

    /// Whether the key can be used at all. Rate limits come next, and [`LiveKey::permit`] last.
    ///
    /// # Errors
    ///
    /// Where the inquiry makes no sense under the policy, whatever the key's state:
    /// the mistake is the caller's, and shows with every key.
    pub fn examine<'a>(
        &self,
        inquiry: &Inquiry<'a>,
        now: Timestamp,
    ) -> Result<Result<Examined<'a>, Denial>, InvalidInquiry> {
        if self.is_replaced(now) {
            return Ok(Err(Denial::InvalidKey));
        }
        let required = self.numbered(inquiry)?;
        let grammar = &self.policy().document().resources;
        let resource = inquiry.resource.map(|text| Path::parse(grammar, text)).transpose()?;
        let class = inquiry.class.map(|class| self.known(class, inquiry)).transpose()?;
        let denial = self.unusable(inquiry.client, now);
        Ok(denial.map_or(Ok(Examined { required, resource, class }), Err))
    }

    /// The class, which must be one of the policy's where it has any: a wrong one would pass
    /// every limit by.
    fn known<'a>(&self, class: &'a str, inquiry: &Inquiry<'a>) -> Result<&'a str, InvalidInquiry> {
        let policy = self.policy();
        if policy.has_class(class) {
            return Ok(class);
        }
        let nearest = if inquiry.without_hint { None } else { policy.nearest_class(class) };
        Err(InvalidInquiry::UnknownClass(unknown("class", class, nearest)))
    }

    /// The class that rate limits count an inquiry in. Empty: none.
    pub fn class_of<'a>(&'a self, examined: &Examined<'a>) -> &'a str {
        let of_scope = || {
            let scope = examined.required.first()?;
            self.policy().document().scopes.get(scope.place()).map(|scope| &*scope.class)
        };
        examined.class.or_else(of_scope).unwrap_or_default()
    }

    fn numbered(&self, inquiry: &Inquiry<'_>) -> Result<SmallVec<[ScopeId; 4]>, InvalidInquiry> {
        let policy = self.policy();
        let number = |name: &str| {
            policy.scope(name).ok_or_else(|| {
                let nearest = if inquiry.without_hint { None } else { policy.nearest_scope(name) };
                let (scope, nearest) = (name.to_owned(), nearest.map(str::to_owned));
                InvalidInquiry::UnknownScope { scope, nearest }
            })
        };
        inquiry.required_scopes.iter().map(number).collect()
    }

    /// Whether the key cannot be used at all, by this client, now.
    pub fn unusable(&self, client: Option<IpAddr>, now: Timestamp) -> Option<Denial> {
        match self.state(now) {
            KeyState::Revoked => return Some(Denial::Revoked),
            KeyState::Expired => return Some(Denial::Expired),
            KeyState::Active => {}
        }
        if !self.is_enabled() {
            return Some(Denial::Disabled);
        }
        (!self.permits(client)).then_some(Denial::IpNotAllowed)
    }

    /// Decides what is asked of a key that can be used.
    pub fn permit(&self, examined: &Examined<'_>) -> Decision {
        let (required, resource) = (&examined.required, examined.resource.as_ref());
        let document = self.policy().document();
        if !self.admits(resource) {
            let hidden = document.hide_existence;
            return if hidden { Denial::NotFound } else { Denial::OutsideConstraint }.into();
        }
        let missing: Vec<ScopeId> =
            required.iter().copied().filter(|scope| !self.holds(*scope, resource)).collect();
        let denial = (!missing.is_empty()).then(|| {
            let elsewhere = self.scopes_anywhere();
            let unmatched = missing.iter().all(|scope| elsewhere.contains(*scope));
            match document.unmatched_resource {
                UnmatchedResource::NotFound if unmatched => Denial::NotFound,
                UnmatchedResource::NotFound | UnmatchedResource::InsufficientScope => {
                    Denial::InsufficientScope
                }
            }
        });
        match denial {
            Some(denial @ Denial::NotFound) => denial.into(),
            denial => Decision { denial, missing },
        }
    }

    /// What the key may do on the resource of an inquiry that was decided so. Nothing for a
    /// key that does not work or does not reach the resource.
    pub fn effective(&self, inquiry: &Inquiry<'_>, decision: &Decision) -> ScopeSet {
        if !matches!(decision.denial, None | Some(Denial::InsufficientScope)) {
            return ScopeSet::new();
        }
        let grammar = &self.policy().document().resources;
        let resource = inquiry.resource.and_then(|text| Path::parse(grammar, text).ok());
        self.scopes_on(resource.as_ref())
    }
}

#[cfg(test)]
mod tests;
