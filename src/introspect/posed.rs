//! A question on its way to its answer: understood, then with its key, then decided.

use std::{net::IpAddr, sync::Arc};

use super::{Answer, NotAuthenticated, Question, REQUIRED_SCOPES_MAX, SCOPE};
use crate::domain::{
    caller::Caller,
    decision::{Denial, Examined, Inquiry, InvalidInquiry},
    fault::Faults,
    limit::{Charge, Verdict},
    live::LiveKey,
    network::parse_address,
    scope::ScopeSet,
    secret::Digest,
    time::Timestamp,
    usage::{LastUse, Outcome, Use},
};

/// The longest class of a request, in bytes.
const CLASS_LENGTH_MAX: usize = 100;

/// A key as it was found.
pub(super) struct Found {
    pub(super) digest: Digest,
    pub(super) key: Arc<LiveKey>,
}

/// A question that may be asked and can be understood.
pub(super) struct Asked<'a> {
    pub(super) question: Question<'a>,
    pub(super) client: Option<IpAddr>,
    pub(super) stale_since: Option<Timestamp>,
}

/// A question that makes sense, with the key that it is about.
pub struct Posed<'a> {
    pub(super) inquiry: Inquiry<'a>,
    /// What it takes of the rate limits.
    cost: u64,
    /// Whether all is to be said.
    pub(super) full: bool,
    /// Whether a secret was sent at all.
    presented: bool,
    /// None: the secret is none of ours, or not to be known of.
    pub(super) found: Option<Found>,
    /// Whether the key can be used.
    examined: Result<Examined<'a>, Denial>,
    stale_since: Option<Timestamp>,
}

impl Found {
    /// A use of it.
    pub(super) fn used(&self, denial: Option<Denial>, at: LastUse) -> Use<'_> {
        let Self { digest, key } = self;
        Use { key: key.name(), digest, outcome: Outcome::from(denial), at }
    }

    /// The caller whose key it is.
    pub(super) fn caller(
        self,
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(Caller, Self), NotAuthenticated> {
        if self.key.is_replaced(now) {
            return Err(NotAuthenticated::Invalid);
        }
        let denial = self.key.unusable(peer, now);
        let caller = Caller::new(Arc::clone(&self.key)).ok_or(NotAuthenticated::Invalid)?;
        match denial {
            None => Ok((caller, self)),
            Some(Denial::IpNotAllowed) => Err(NotAuthenticated::AddressNotAllowed),
            Some(_) => Err(NotAuthenticated::Invalid),
        }
    }
}

impl<'a> Asked<'a> {
    /// The question with the key that it is about, where the caller may know of that.
    pub(super) fn about(
        self,
        found: Option<Found>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Posed<'a>, InvalidInquiry> {
        let Self { question, client, stale_since } = self;
        let found = found.filter(|found| caller.reach(SCOPE, found.key.name()).is_ok());
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
        let Question { cost, full, secret, .. } = question;
        let (cost, presented) = (cost.unsigned_abs(), !secret.is_empty());
        Ok(Posed { inquiry, cost, full, presented, found, examined, stale_since })
    }
}

impl Posed<'_> {
    /// What it takes of the limits, once it is known that the key can be used. Whoever asks for
    /// what it may not have pays for it, too: so what is there cannot be found out by asking again
    /// and again. None: nothing.
    pub(super) fn charge(&self) -> Option<Charge<'_>> {
        let (Some(Found { key, .. }), Ok(examined)) = (&self.found, &self.examined) else {
            return None;
        };
        let charge = key.charge(key.class_of(examined), self.cost, self.full);
        (!charge.is_free()).then_some(charge)
    }

    /// How many keys were at hand for it, if any was looked for in memory alone.
    pub(super) fn at_hand(&self) -> u64 {
        self.found.is_some().into()
    }

    /// What is answered, once this came of its limits.
    pub(super) fn answer(&self, verdict: Verdict) -> Answer {
        let Self { inquiry, full, presented, found, examined, stale_since, .. } = self;
        let stale_since = *stale_since;
        // Of a secret that a newer one replaced no more is said than of one that nobody has.
        let known = found.as_ref().filter(|_| !matches!(examined, Err(Denial::InvalidKey)));
        let Some(Found { key, .. }) = known else {
            let (decision, presented) = (Denial::InvalidKey.into(), *presented);
            let (effective, verdict) = (ScopeSet::new(), Verdict::default());
            return Answer { decision, effective, key: None, presented, verdict, stale_since };
        };
        let decision = match (examined, verdict.wait) {
            (Ok(_), Some(_)) => Denial::RateLimited.into(),
            (Ok(examined), None) => key.permit(examined),
            (Err(denial), _) => (*denial).into(),
        };
        let effective = if *full { key.effective(inquiry, &decision) } else { ScopeSet::new() };
        let key = Some(Arc::clone(key));
        Answer { decision, effective, key, presented: true, verdict, stale_since }
    }
}

/// Notes what is wrong with a question whatever the key, and reads the address.
pub(super) fn read(question: &Question<'_>, faults: &mut Faults) -> Option<IpAddr> {
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
