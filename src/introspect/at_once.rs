//! What can be answered at once: from what is at hand, without waiting for anything.
//!
//! Here nothing is told that went wrong, nor waited for: None says that nothing was taken of any
//! limit, that nothing was counted, and that the question is to be asked as if it had not been.

use std::net::IpAddr;

use super::{Answer, Found, Introspection, Posed, Question};
use crate::domain::{
    caller::Caller, limit::Verdict, ports::AtHand, secret::Digest, time::Timestamp,
};

/// A call, by whom it is made.
pub struct Calling {
    /// Who makes it.
    pub caller: Caller,
    /// Its key. None: it is known by a certificate.
    found: Option<Found>,
    peer: Option<IpAddr>,
}

impl Calling {
    /// A call of who is known by a certificate.
    pub fn certified(caller: Caller) -> Self {
        Self { caller, found: None, peer: None }
    }
}

impl Introspection {
    /// A call from this address by who has the secret with this digest, where that is a caller.
    /// It is not counted yet.
    pub fn calling(&self, digest: &Digest, peer: Option<IpAddr>) -> Option<Calling> {
        let (found, now) = self.at_hand(digest)?;
        let (caller, found) = found?.caller(peer, now).ok()?;
        Some(Calling { caller, found: Some(found), peer })
    }

    /// The answer to a question of this call, which is counted with it.
    pub fn answer_at_once(&self, calling: &Calling, question: Question<'_>) -> Option<Answer> {
        let posed = self.pose_at_once(&calling.caller, question)?;
        let answer = self.decide_at_once(&posed)?;
        self.conclude(&posed, &answer);
        self.count_call(calling);
        Some(answer)
    }

    /// Takes note that the call is made, of one call once.
    pub fn count_call(&self, calling: &Calling) {
        if let Some(found) = &calling.found {
            self.count(found, None, calling.peer);
        }
    }

    pub(super) fn pose_at_once<'a>(
        &self,
        caller: &Caller,
        question: Question<'a>,
    ) -> Option<Posed<'a>> {
        let asked = self.understand(caller, question).ok()?;
        let (found, now) = match self.recognise(question.secret) {
            Some(digest) => self.at_hand(&digest)?,
            None => (None, self.clock.latest()),
        };
        asked.about(found, caller, now).ok()
    }

    pub(super) fn decide_at_once(&self, posed: &Posed<'_>) -> Option<Answer> {
        let verdict = match posed.charge() {
            Some(charge) => self.limiter.take_now(&charge)?.ok()?,
            None => Verdict::default(),
        };
        Some(posed.answer(verdict))
    }

    /// The key that has the secret with this digest, and the moment after it was found.
    fn at_hand(&self, digest: &Digest) -> Option<(Option<Found>, Timestamp)> {
        let found = match self.keys.at_hand(digest).ok()? {
            AtHand::Key(key) => Some(Found { digest: Digest::from_bytes(*digest.as_bytes()), key }),
            AtHand::Nobodys => None,
            AtHand::Unknown => return None,
        };
        Some((found, self.clock.latest()))
    }
}
