//! The hot path: parse the secret, find its key, decide.

mod at_once;
mod decisions;
mod posed;
mod together;

use std::{net::IpAddr, sync::Arc};

use crate::domain::{
    caller::{Caller, Refused},
    decision::{Decision, Denial, InvalidInquiry},
    fault::{Fault, Faults},
    limit::{CannotTell, Limiter, Verdict},
    live::LiveKey,
    ports::{Clock, FindKey, StoreError},
    scope::{Names, ScopeSet},
    secret::{Digest, Keyring},
    system::SystemScope,
    time::Timestamp,
    usage::{CountUses, LastUse, Use},
};

pub use at_once::Calling;
use decisions::Decisions;
pub use posed::Posed;
use posed::{Asked, Found, read};
pub use together::{ANSWERS_BYTES_MAX, QUESTIONS_MAX};

/// The most scopes that a request may need.
pub const REQUIRED_SCOPES_MAX: usize = 100;

/// What a caller needs.
const SCOPE: SystemScope = SystemScope::Introspect;

/// Tells whose a secret is, and decides.
pub struct Introspection {
    keyring: Arc<Keyring>,
    keys: Arc<dyn FindKey>,
    clock: Arc<dyn Clock>,
    uses: Option<Arc<dyn CountUses>>,
    limiter: Arc<dyn Limiter>,
    decisions: Decisions,
}

/// A request to decide, as it was sent.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The secret.
    pub secret: &'a str,
    /// The client's address. Empty: not known.
    pub client_ip: &'a str,
    /// The scopes that it needs.
    pub required_scopes: Names<'a>,
    /// The resource. Empty: none.
    pub resource: &'a str,
    /// The class for rate limits. Empty: by the scope.
    pub class: &'a str,
    /// What it takes of the rate limits.
    pub cost: i64,
    /// Whether all is to be said, rather than the decision alone.
    pub full: bool,
    /// Whether it is not to be told what may be meant by a name that is not known, which takes
    /// long to find.
    pub without_hint: bool,
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
    /// The rate limits that applied, and what is left of them.
    pub verdict: Verdict,
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
    /// The same of some of several, with the places at which they stand: all that are so.
    #[error("{} questions make no sense under their policies", .0.len())]
    Inquiries(Vec<(usize, InvalidInquiry)>),
    /// It could not be told.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be told what is left of the rate limits.
    #[error(transparent)]
    Limits(#[from] CannotTell),
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
    /// The certificate of the connection has ended since it was opened.
    #[error("the client's certificate has ended")]
    CertificateEnded,
    /// The authority of the connection's certificate is none any more.
    #[error("no authority vouches for the client's certificate any more")]
    CertificateNotTrusted,
    /// The certificate of the connection is nobody's who may call.
    #[error("the identity of the client's certificate is on no list of callers")]
    IdentityUnknown,
    /// It could not be told.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Introspection {
    /// Over these keys, within the limits that this one keeps count of.
    pub fn new(
        keyring: Arc<Keyring>,
        keys: Arc<dyn FindKey>,
        clock: Arc<dyn Clock>,
        limiter: Arc<dyn Limiter>,
    ) -> Self {
        let decisions = Decisions::default();
        Self { keyring, keys, clock, uses: None, limiter, decisions }
    }

    /// The same, with each use of a key told to this; until then they are not counted.
    #[must_use]
    pub fn counted_by(self, uses: Arc<dyn CountUses>) -> Self {
        Self { uses: Some(uses), ..self }
    }

    /// How often what was decided, by the names of the reasons; `ALLOWED` is none.
    pub fn decisions(&self) -> impl IntoIterator<Item = (&'static str, u64)> + use<> {
        self.decisions.read()
    }

    /// The key that the secret is of, and the moment after it was found. A malformed or
    /// forged secret is recognised without asking the database.
    async fn find(&self, secret: &str) -> Result<(Option<Found>, Timestamp), StoreError> {
        let found = match self.keyring.recognise(secret) {
            Some(recognised) => {
                let digest = recognised.digest;
                self.keys.find_key(&digest).await?.map(|key| Found { digest, key })
            }
            None => None,
        };
        Ok((found, self.clock.latest()))
    }

    /// Takes note of a use, and waits for nothing.
    fn count(&self, found: &Found, denial: Option<Denial>, at: LastUse) {
        if let Some(uses) = &self.uses {
            uses.count(found.used(denial, at));
        }
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
        self.caller(secret, peer).await.map(|(caller, _)| caller)
    }

    /// What to look a secret up by, where this deployment made it, which nobody else can. Nothing
    /// is looked up: its key may be revoked, and may be no caller's.
    pub fn recognise(&self, secret: &str) -> Option<Digest> {
        self.keyring.recognise(secret).map(|recognised| recognised.digest)
    }

    /// Who makes a call, as of [`Introspection::authenticate`], and takes note that it does: of
    /// one call, once.
    ///
    /// # Errors
    ///
    /// As of [`Introspection::authenticate`].
    pub async fn called(
        &self,
        secret: &str,
        peer: Option<IpAddr>,
    ) -> Result<Caller, NotAuthenticated> {
        let (caller, found) = self.caller(secret, peer).await?;
        // Not by the latest that it may be, which is for judging what ends.
        self.count(&found, None, LastUse { time: self.clock.now(), address: peer });
        Ok(caller)
    }

    async fn caller(
        &self,
        secret: &str,
        peer: Option<IpAddr>,
    ) -> Result<(Caller, Found), NotAuthenticated> {
        let (found, now) = self.find(secret).await?;
        found.ok_or(NotAuthenticated::Invalid)?.caller(peer, now)
    }

    /// Whether a caller may ask at all.
    ///
    /// # Errors
    ///
    /// [`IntrospectError::Refused`].
    pub fn may_ask(&self, caller: &Caller) -> Result<(), IntrospectError> {
        caller.require(SCOPE).map_err(IntrospectError::Refused)
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
        let posed = self.pose(caller, question).await?;
        let answer = self.decide(&posed).await?;
        self.conclude(&posed, &answer);
        Ok(answer)
    }

    /// The first step of a decision: finds the key, and whether it can be used. It takes nothing
    /// of any limit and counts nothing.
    ///
    /// # Errors
    ///
    /// As of [`Introspection::introspect`].
    pub async fn pose<'a>(
        &self,
        caller: &Caller,
        question: Question<'a>,
    ) -> Result<Posed<'a>, IntrospectError> {
        let asked = self.understand(caller, question)?;
        let (found, now) = self.find(question.secret).await?;
        Ok(asked.about(found, caller, now)?)
    }

    /// What can be told of a question before its key is known.
    fn understand<'a>(
        &self,
        caller: &Caller,
        question: Question<'a>,
    ) -> Result<Asked<'a>, IntrospectError> {
        self.may_ask(caller)?;
        let mut faults = Faults::new();
        let client = read(&question, &mut faults);
        faults.finish().map_err(IntrospectError::Invalid)?;
        Ok(Asked { question, client, stale_since: self.keys.stale_since() })
    }

    /// The second step: takes what the question costs, and decides.
    ///
    /// # Errors
    ///
    /// [`IntrospectError::Limits`]: nothing was taken.
    pub async fn decide(&self, posed: &Posed<'_>) -> Result<Answer, IntrospectError> {
        let verdict = match posed.charge() {
            Some(charge) => self.limiter.take(&charge).await?,
            None => Verdict::default(),
        };
        Ok(posed.answer(verdict))
    }

    /// The last step: takes note that the key was used. Also where a newer secret had replaced
    /// the one that was sent: who replaced it wants to know that it is still sent.
    pub fn conclude(&self, posed: &Posed<'_>, answer: &Answer) {
        self.conclude_at(posed, answer, self.clock.now());
    }

    fn conclude_at(&self, posed: &Posed<'_>, answer: &Answer, time: Timestamp) {
        let used = self.note(posed, answer, time);
        if let Some((counting, used)) = self.uses.as_ref().zip(used) {
            counting.count(used);
        }
    }

    /// Takes note of a decision, and tells what use of a key is to be counted with it.
    fn note<'a>(&self, posed: &'a Posed<'_>, answer: &Answer, time: Timestamp) -> Option<Use<'a>> {
        let denial = answer.decision.denial;
        self.decisions.count(denial);
        let at = LastUse { time, address: posed.inquiry.client };
        posed.found.as_ref().map(|found| found.used(denial, at))
    }
}
