//! What can be answered at once: from what is at hand, without waiting for anything.
//!
//! Here nothing is told that went wrong, nor waited for: None says that nothing was taken of any
//! limit, that nothing was counted, and that the question is to be asked as if it had not been.

use std::net::IpAddr;

use super::{
    Answer, Asked, Found, Introspection, Posed, Question,
    together::{QUESTIONS_MAX, are_small},
};
use crate::domain::{
    caller::Caller, limit::Verdict, ports::AtHand, secret::Digest, time::Timestamp, usage::LastUse,
};

/// A call, by whom it is made.
pub struct Calling {
    /// Who makes it.
    pub caller: Caller,
    /// Its key. None: it is known by a certificate.
    found: Option<Found>,
    peer: Option<IpAddr>,
    now: Now,
}

/// When a call is answered: all of it at one moment, for nothing is waited for.
#[derive(Clone, Copy)]
struct Now {
    /// By the latest that it may be, by which it is judged what has ended.
    latest: Timestamp,
    /// As it is noted.
    noted: Timestamp,
}

impl Calling {
    /// How many keys were at hand for it.
    fn at_hand(&self) -> u64 {
        self.found.is_some().into()
    }
}

impl Introspection {
    /// A call from this address by who has the secret with this digest, where that is a caller.
    /// It is not counted yet.
    pub fn calling(&self, digest: &Digest, peer: Option<IpAddr>) -> Option<Calling> {
        let now = self.now();
        let (caller, found) = self.at_hand(digest)??.caller(peer, now.latest).ok()?;
        Some(Calling { caller, found: Some(found), peer, now })
    }

    /// A call of who is known by a certificate.
    pub fn calling_by_certificate(&self, caller: Caller) -> Calling {
        Calling { caller, found: None, peer: None, now: self.now() }
    }

    fn now(&self) -> Now {
        let (latest, noted) = self.clock.both();
        Now { latest, noted }
    }

    /// The answer to a question of this call, which is counted with it.
    pub fn answer_at_once(&self, calling: &Calling, question: Question<'_>) -> Option<Answer> {
        let digest = self.recognise(question.secret);
        self.answer_recognised(calling, question, digest.as_ref())
    }

    /// The same, where it is known what the secret is looked up by; none where it is none of ours.
    pub fn answer_recognised(
        &self,
        calling: &Calling,
        question: Question<'_>,
        digest: Option<&Digest>,
    ) -> Option<Answer> {
        let posed = self.pose_at_once(&calling.caller, question, digest, calling.now.latest)?;
        let answer = self.decide_at_once(&posed)?;
        // In the order in which they came: of two uses at once the first is the last use.
        self.count_call(calling);
        self.conclude_at(&posed, &answer, calling.now.noted);
        self.keys.count_at_hand(calling.at_hand() + posed.at_hand());
        Some(answer)
    }

    /// The same of several questions, of which either all are answered or none is: gives each
    /// answer to `tell`, in their order, and whether all is to be said.
    pub fn answer_all_at_once<'a>(
        &self,
        calling: &Calling,
        questions: impl ExactSizeIterator<Item = Question<'a>>,
        mut tell: impl FnMut(&Answer, bool),
    ) -> Option<()> {
        // One that would have to wait might come after others have paid.
        if !self.limiter.always_tells_now() {
            return None;
        }
        // What else may be wrong with them is found one by one.
        if questions.len() == 0 || questions.len() > QUESTIONS_MAX {
            return None;
        }
        let Calling { caller, now, .. } = calling;
        let posed = self.pose_all_at_once(caller, questions, now.latest)?;
        if !are_small(&posed) {
            return None;
        }
        self.count_call(calling);
        let at_hand: u64 = posed.iter().map(Posed::at_hand).sum();
        self.keys.count_at_hand(calling.at_hand() + at_hand);
        let mut uses = Vec::with_capacity(posed.len());
        for posed in &posed {
            // There always is one, or those before it would pay twice.
            let answer = self.decide_at_once(posed)?;
            uses.extend(self.note(posed, &answer, now.noted));
            tell(&answer, posed.full);
        }
        if let Some(counting) = &self.uses {
            counting.count_all(&uses);
        }
        Some(())
    }

    /// The questions with their keys, as of [`Self::pose_at_once`]. What is far in memory is asked
    /// for of all of them before it is waited for.
    fn pose_all_at_once<'a>(
        &self,
        caller: &Caller,
        questions: impl ExactSizeIterator<Item = Question<'a>>,
        now: Timestamp,
    ) -> Option<Vec<Posed<'a>>> {
        let count = questions.len();
        let (mut asked, mut digests) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for question in questions {
            asked.push(self.understand_at_once(caller, question)?);
            digests.push(self.recognise(question.secret));
        }
        self.bring_near(&digests);
        let mut found = Vec::with_capacity(count);
        for digest in &digests {
            found.push(self.found_at_once(digest.as_ref())?);
        }
        found.iter().flatten().for_each(|found| found.key.bring_near());
        let mut posed = Vec::with_capacity(count);
        for (asked, found) in asked.into_iter().zip(found) {
            posed.push(asked.about(found, caller, now).ok()?);
        }
        Some(posed)
    }

    fn understand_at_once<'a>(&self, caller: &Caller, question: Question<'a>) -> Option<Asked<'a>> {
        // What may be meant is told by who tells what is wrong, and takes long to find.
        self.understand(caller, Question { without_hint: true, ..question }).ok()
    }

    /// Has the processor read what questions about these secrets will need of what is at hand: of
    /// memory that is far it fetches that of all together, rather than of one after the other. It
    /// changes nothing.
    pub fn bring_near(&self, digests: &[Option<Digest>]) {
        self.keys.bring_near(digests);
        if let Some(uses) = &self.uses {
            uses.bring_near(digests);
        }
    }

    /// Takes note that the call is made, of one call once.
    fn count_call(&self, calling: &Calling) {
        if let Some(found) = &calling.found {
            self.count(found, None, LastUse { time: calling.now.noted, address: calling.peer });
        }
    }

    /// The question with its key, which has the secret with this digest, judged at this moment, before
    /// which the key was not looked for.
    pub(super) fn pose_at_once<'a>(
        &self,
        caller: &Caller,
        question: Question<'a>,
        digest: Option<&Digest>,
        now: Timestamp,
    ) -> Option<Posed<'a>> {
        let asked = self.understand_at_once(caller, question)?;
        let found = self.found_at_once(digest)?;
        asked.about(found, caller, now).ok()
    }

    pub(super) fn decide_at_once(&self, posed: &Posed<'_>) -> Option<Answer> {
        let verdict = match posed.charge() {
            Some(charge) => self.limiter.take_now(&charge)?.ok()?,
            None => Verdict::default(),
        };
        Some(posed.answer(verdict))
    }

    /// The key of a secret: nobody's, where it is none of ours.
    fn found_at_once(&self, digest: Option<&Digest>) -> Option<Option<Found>> {
        digest.map_or(Some(None), |digest| self.at_hand(digest))
    }

    /// The key that has the secret with this digest, or that nobody's has it. None: it is not at hand.
    fn at_hand(&self, digest: &Digest) -> Option<Option<Found>> {
        match self.keys.at_hand(digest).ok()? {
            AtHand::Key(key) => {
                let digest = Digest::from_bytes(*digest.as_bytes());
                Some(Some(Found { digest, key }))
            }
            AtHand::Nobodys => Some(None),
            AtHand::Unknown => None,
        }
    }
}
