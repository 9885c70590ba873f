//! The hot path: parse the secret, find its key, decide.

use std::{net::IpAddr, sync::Arc};

use crate::domain::{
    caller::{Caller, Refused},
    decision::{Decision, Denial, Inquiry, InvalidInquiry},
    fault::{Fault, Faults},
    live::LiveKey,
    network::parse_address,
    ports::{Clock, FindKey, StoreError},
    scope::ScopeSet,
    secret::Keyring,
    system::SystemScope,
    time::Timestamp,
};

/// The most scopes that a request may need.
pub const REQUIRED_SCOPES_MAX: usize = 100;
/// The longest class of a request, in bytes.
const CLASS_LENGTH_MAX: usize = 100;

/// Tells whose a secret is, and decides.
pub struct Introspection {
    keyring: Arc<Keyring>,
    keys: Arc<dyn FindKey>,
    clock: Arc<dyn Clock>,
}

/// A request to decide, as it was sent.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The secret.
    pub secret: &'a str,
    /// The client's address. Empty: not known.
    pub client_ip: &'a str,
    /// The scopes that it needs.
    pub required_scopes: &'a [String],
    /// The resource. Empty: none.
    pub resource: &'a str,
    /// The class for rate limits. Empty: by the scope.
    pub class: &'a str,
    /// What it takes of the rate limits.
    pub cost: i64,
    /// Whether all is to be said, rather than the decision alone.
    pub full: bool,
}

/// A decision with what it rests on.
#[derive(Debug)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// What the key may do on the resource, where all is to be said.
    pub effective: ScopeSet,
    /// The key. None: the secret is none of ours, or not to be known of.
    pub key: Option<Arc<LiveKey>>,
    /// Whether a secret was sent at all.
    pub presented: bool,
    /// Since when changes may have been missed; none where the answer is of now.
    pub stale_since: Option<Timestamp>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectError {
    /// The caller may not ask.
    #[error("the caller may not ask")]
    Refused(Refused),
    /// Fields are wrong: all that are.
    #[error("{} fields are wrong", .0.len())]
    Invalid(Vec<Fault>),
    /// The question makes no sense under the key's policy.
    #[error(transparent)]
    Inquiry(#[from] InvalidInquiry),
    /// It could not be told.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a caller is not known.
#[derive(Debug, thiserror::Error)]
pub enum NotAuthenticated {
    /// The secret is none of a caller, or does not work.
    #[error("the credentials do not work")]
    Invalid,
    /// The key may not be used from this address.
    #[error("the key may not be used from this address")]
    AddressNotAllowed,
    /// It could not be told.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Introspection {
    /// Over these keys.
    pub fn new(keyring: Arc<Keyring>, keys: Arc<dyn FindKey>, clock: Arc<dyn Clock>) -> Self {
        Self { keyring, keys, clock }
    }

    /// The key that the secret is of, and the moment after it was found. A malformed or
    /// forged secret is recognised without asking the database.
    async fn find(&self, secret: &str) -> Result<(Option<Arc<LiveKey>>, Timestamp), StoreError> {
        let key = match self.keyring.recognise(secret) {
            Some(recognised) => self.keys.find_key(&recognised.digest).await?,
            None => None,
        };
        Ok((key, self.clock.latest()))
    }

    /// Who calls, by the secret of a key of the workspace `system`.
    ///
    /// # Errors
    ///
    /// Where the key does not work, without saying why; where it may not be used from
    /// `peer`; where it could not be told.
    pub async fn authenticate(
        &self,
        secret: &str,
        peer: Option<IpAddr>,
    ) -> Result<Caller, NotAuthenticated> {
        let (key, now) = self.find(secret).await?;
        let key = key.filter(|key| !key.is_replaced(now)).ok_or(NotAuthenticated::Invalid)?;
        let denial = key.unusable(peer, now);
        let caller = Caller::new(key).ok_or(NotAuthenticated::Invalid)?;
        match denial {
            None => Ok(caller),
            Some(Denial::IpNotAllowed) => Err(NotAuthenticated::AddressNotAllowed),
            Some(_) => Err(NotAuthenticated::Invalid),
        }
    }

    /// Decides a request.
    ///
    /// # Errors
    ///
    /// [`IntrospectError`]: the caller may not ask, the question is wrong, or it could
    /// not be told. In each case the request must be refused.
    pub async fn introspect(
        &self,
        caller: &Caller,
        question: Question<'_>,
    ) -> Result<Answer, IntrospectError> {
        const SCOPE: SystemScope = SystemScope::Introspect;
        caller.require(SCOPE).map_err(IntrospectError::Refused)?;
        let client = check(&question)?;
        let stale_since = self.keys.stale_since();
        let (key, now) = self.find(question.secret).await?;
        let known = key.filter(|key| caller.reach(SCOPE, &key.key().name).is_ok());
        let Some(key) = known.filter(|key| !key.is_replaced(now)) else {
            let presented = !question.secret.is_empty();
            let decision = Denial::InvalidKey.into();
            let effective = ScopeSet::new();
            return Ok(Answer { decision, effective, key: None, presented, stale_since });
        };
        let resource = Some(question.resource).filter(|resource| !resource.is_empty());
        let inquiry = Inquiry { client, required_scopes: question.required_scopes, resource };
        let decision = key.decide(&inquiry, now)?;
        let effective =
            if question.full { key.effective(&inquiry, &decision) } else { ScopeSet::new() };
        Ok(Answer { decision, effective, key: Some(key), presented: true, stale_since })
    }
}

/// Notes what is wrong with a question whatever the key, and reads the address.
fn check(question: &Question<'_>) -> Result<Option<IpAddr>, IntrospectError> {
    let mut faults = Faults::new();
    let client = match question.client_ip {
        "" => None,
        text => faults.take("client_ip", parse_address(text)),
    };
    faults.bound("required_scopes", question.required_scopes.len(), REQUIRED_SCOPES_MAX);
    if question.class.len() > CLASS_LENGTH_MAX {
        faults.note("class", format_args!("is longer than {CLASS_LENGTH_MAX} bytes"));
    }
    if question.cost < 0 {
        faults.note("cost", "must not be negative");
    }
    faults.finish().map_err(IntrospectError::Invalid)?;
    Ok(client)
}
