//! The hot path: parse the secret, find its key, decide.

mod decisions;
mod together;

use std::{net::IpAddr, sync::Arc};

use crate::domain::{
    caller::{Caller, Refused},
    decision::{Decision, Denial, Examined, Inquiry, InvalidInquiry},
    fault::{Fault, Faults},
    limit::{CannotTell, Limiter, Verdict},
    live::LiveKey,
    network::parse_address,
    ports::{Clock, FindKey, StoreError},
    scope::ScopeSet,
    secret::{Digest, Keyring},
    system::SystemScope,
    time::Timestamp,
    usage::{CountUses, LastUse, Outcome, Use},
};

use decisions::Decisions;
pub use together::{ANSWERS_BYTES_MAX, QUESTIONS_MAX};

/// The most scopes that a request may need.
pub const REQUIRED_SCOPES_MAX: usize = 100;
/// The longest class of a request, in bytes.
const CLASS_LENGTH_MAX: usize = 100;

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

/// A key as it was found.
struct Found {
    digest: Digest,
    key: Arc<LiveKey>,
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

/// A question that makes sense, with the key that it is about.
pub struct Posed<'a> {
    question: Question<'a>,
    inquiry: Inquiry<'a>,
    /// None: the secret is none of ours, or not to be known of.
    found: Option<Found>,
    /// Whether the key can be used.
    examined: Result<Examined<'a>, Denial>,
    stale_since: Option<Timestamp>,
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
    fn count(&self, found: &Found, denial: Option<Denial>, address: Option<IpAddr>) {
        if let Some(uses) = &self.uses {
            // Not by the latest that it may be, which is for judging what ends.
            let at = LastUse { time: self.clock.now(), address };
            let Found { digest, key } = found;
            let outcome = Outcome::from(denial);
            uses.count(Use { key: &key.key().name, digest, outcome, at });
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

    /// Whether this deployment made this secret, which nobody else can. Nothing is looked up: its
    /// key may be revoked, and may be no caller's.
    pub fn has_signed(&self, secret: &str) -> bool {
        self.keyring.recognise(secret).is_some()
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
        self.count(&found, None, peer);
        Ok(caller)
    }

    async fn caller(
        &self,
        secret: &str,
        peer: Option<IpAddr>,
    ) -> Result<(Caller, Found), NotAuthenticated> {
        let (found, now) = self.find(secret).await?;
        let works = |found: &Found| !found.key.is_replaced(now);
        let found = found.filter(works).ok_or(NotAuthenticated::Invalid)?;
        let denial = found.key.unusable(peer, now);
        let caller = Caller::new(Arc::clone(&found.key)).ok_or(NotAuthenticated::Invalid)?;
        match denial {
            None => Ok((caller, found)),
            Some(Denial::IpNotAllowed) => Err(NotAuthenticated::AddressNotAllowed),
            Some(_) => Err(NotAuthenticated::Invalid),
        }
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
        self.may_ask(caller)?;
        let mut faults = Faults::new();
        let client = read(&question, &mut faults);
        faults.finish().map_err(IntrospectError::Invalid)?;
        let stale_since = self.keys.stale_since();
        let (found, now) = self.find(question.secret).await?;
        let found = found.filter(|found| caller.reach(SCOPE, &found.key.key().name).is_ok());
        let inquiry = Inquiry {
            client,
            required_scopes: question.required_scopes,
            resource: Some(question.resource).filter(|resource| !resource.is_empty()),
            class: Some(question.class).filter(|class| !class.is_empty()),
            without_hint: question.without_hint,
        };
        let examined = match &found {
            Some(found) => found.key.examine(&inquiry, now)?,
            None => Err(Denial::InvalidKey),
        };
        Ok(Posed { question, inquiry, found, examined, stale_since })
    }

    /// The second step: takes what the question costs, and decides.
    ///
    /// # Errors
    ///
    /// [`IntrospectError::Limits`]: nothing was taken.
    pub async fn decide(&self, posed: &Posed<'_>) -> Result<Answer, IntrospectError> {
        let Posed { question, inquiry, found, examined, stale_since } = posed;
        let stale_since = *stale_since;
        // Of a secret that a newer one replaced no more is said than of one that nobody has.
        let known = found.as_ref().filter(|_| !matches!(examined, Err(Denial::InvalidKey)));
        let Some(Found { key, .. }) = known else {
            let presented = !question.secret.is_empty();
            let decision = Denial::InvalidKey.into();
            let (effective, verdict) = (ScopeSet::new(), Verdict::default());
            return Ok(Answer { decision, effective, key: None, presented, verdict, stale_since });
        };
        let (decision, verdict) = match examined {
            Ok(examined) => self.within_limits(key, examined, question).await?,
            Err(denial) => ((*denial).into(), Verdict::default()),
        };
        let effective =
            if question.full { key.effective(inquiry, &decision) } else { ScopeSet::new() };
        let key = Some(Arc::clone(key));
        Ok(Answer { decision, effective, key, presented: true, verdict, stale_since })
    }

    /// The last step: takes note that the key was used. Also where a newer secret had replaced
    /// the one that was sent: who replaced it wants to know that it is still sent.
    pub fn conclude(&self, posed: &Posed<'_>, answer: &Answer) {
        self.decisions.count(answer.decision.denial);
        if let Some(found) = &posed.found {
            self.count(found, answer.decision.denial, posed.inquiry.client);
        }
    }

    /// What comes after it is known that the key can be used. Whoever asks for what it may not
    /// have pays for it, too: so what is there cannot be found out by asking again and again.
    async fn within_limits(
        &self,
        key: &LiveKey,
        examined: &Examined<'_>,
        question: &Question<'_>,
    ) -> Result<(Decision, Verdict), CannotTell> {
        let charge =
            key.charge(key.class_of(examined), question.cost.unsigned_abs(), question.full);
        if charge.is_free() {
            return Ok((key.permit(examined), Verdict::default()));
        }
        let verdict = self.limiter.take(&charge).await?;
        let decision = match verdict.wait {
            None => key.permit(examined),
            Some(_) => Denial::RateLimited.into(),
        };
        Ok((decision, verdict))
    }
}

/// Notes what is wrong with a question whatever the key, and reads the address.
fn read(question: &Question<'_>, faults: &mut Faults) -> Option<IpAddr> {
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
    client
}
