//! Several questions at once: all are answered, or none is.
//!
//! Each is posed before anything is taken for any: one that makes no sense fails all, and then no
//! limit is the less and no use is counted; nor where the answers would be too large. The first
//! that cannot be told ends it, whatever the others wait for. A use is counted when its question
//! is decided: what was taken of limits stays taken, also where another cannot be told.

use std::{future::Future, ops::ControlFlow, pin::pin};

use futures_util::stream::{StreamExt as _, iter};

use super::{Answer, IntrospectError, Introspection, Posed, Question, read};
use crate::domain::{caller::Caller, decision::InvalidInquiry, fault::Faults};

/// The most questions that are asked together.
pub const QUESTIONS_MAX: usize = 1_000;
/// The most that the answers to them may come to, in bytes, as it is reckoned beforehand: clients
/// of gRPC take 4 MiB unless they are told otherwise.
pub const ANSWERS_BYTES_MAX: usize = 3 << 20;

/// Questions of one batch that are answered at once: as many may wait for the database.
const AT_ONCE: usize = 32;
/// After so many in a row others get their turn on this thread.
const IN_A_ROW_MAX: usize = 32;
/// So large may keys and answers be together that are answered in a row: a few hundred usual ones.
const SMALL_BYTES_MAX: usize = 256 << 10;
/// Of so many that make no sense it is said what may be meant, which takes long to find.
const HINTS_MAX: usize = 5;

/// Waits for all of them, some at once, and gives what comes of each; or for none any more once one
/// breaks it off. After some in a row it waits for `turn`.
async fn all<V, E, W, T>(
    works: Vec<(usize, W)>,
    turn: &impl Fn() -> T,
) -> Result<Vec<(usize, V)>, E>
where
    W: Future<Output = ControlFlow<E, V>>,
    T: Future<Output = ()>,
{
    let count = works.len();
    let placed = works.into_iter().map(|(place, work)| async move { (place, work.await) });
    let mut ending = pin!(iter(placed.collect::<Vec<_>>()).buffer_unordered(AT_ONCE));
    let mut ended = Vec::with_capacity(count);
    while let Some((place, end)) = ending.next().await {
        match end {
            ControlFlow::Continue(value) => ended.push((place, value)),
            ControlFlow::Break(error) => return Err(error),
        }
        if ended.len().is_multiple_of(IN_A_ROW_MAX) {
            turn().await;
        }
    }
    Ok(ended)
}

/// What comes of each, in their order: without waiting where it can be, and then of the others.
/// After some in a row it waits for `turn`.
async fn each<'a, Q, V, E, W, T>(
    questions: &'a [Q],
    at_once: impl Fn(&'a Q) -> Option<V>,
    later: impl Fn(&'a Q) -> W,
    turn: &impl Fn() -> T,
) -> Result<Vec<V>, E>
where
    W: Future<Output = ControlFlow<E, V>>,
    T: Future<Output = ()>,
{
    let (mut ended, mut left) = (Vec::with_capacity(questions.len()), Vec::new());
    for (place, question) in questions.iter().enumerate() {
        match at_once(question) {
            Some(value) => ended.push((place, value)),
            None => left.push((place, later(question))),
        }
        if (place + 1).is_multiple_of(IN_A_ROW_MAX) {
            turn().await;
        }
    }
    if !left.is_empty() {
        ended.extend(all(left, turn).await?);
        ended.sort_unstable_by_key(|(place, _)| *place);
    }
    Ok(ended.into_iter().map(|(_, value)| value).collect())
}

impl Introspection {
    /// Decides several requests, and gives what `tell` makes of each answer, of which it is told
    /// whether all is to be said. They stand in the order of the questions. `turn` is waited for
    /// now and then, so that others are not kept waiting.
    ///
    /// # Errors
    ///
    /// As of [`Introspection::introspect`], and [`Introspection::check_all`]; of questions that
    /// make no sense under the policies of their keys all are named. The answers would be larger
    /// than [`ANSWERS_BYTES_MAX`].
    pub async fn introspect_all<V, T: Future<Output = ()>>(
        &self,
        caller: &Caller,
        questions: &[Question<'_>],
        tell: impl Fn(&Answer, bool) -> V,
        turn: impl Fn() -> T,
    ) -> Result<Vec<V>, IntrospectError> {
        self.check_all(caller, questions)?;
        let posed = self.pose_all(caller, questions, &turn).await?;
        check_size(&posed, &turn).await?;
        let conclude = |posed: &Posed<'_>, answer: &Answer| {
            self.conclude(posed, answer);
            tell(answer, posed.full)
        };
        let conclude = &conclude;
        let at_once = |posed| Some(conclude(posed, &self.decide_at_once(posed)?));
        let later = async |posed| match self.decide(posed).await {
            Ok(answer) => ControlFlow::Continue(conclude(posed, &answer)),
            Err(error) => ControlFlow::Break(error),
        };
        each(&posed, at_once, later, &turn).await
    }

    /// The questions with their keys, where all make sense.
    async fn pose_all<'a, T: Future<Output = ()>>(
        &self,
        caller: &Caller,
        questions: &[Question<'a>],
        turn: &impl Fn() -> T,
    ) -> Result<Vec<Posed<'a>>, IntrospectError> {
        let without_hint = |question: &Question<'a>| Question { without_hint: true, ..*question };
        let at_once = |question: &Question<'a>| {
            let digest = self.recognise(question.secret);
            self.pose_at_once(caller, *question, digest.as_ref(), self.clock.latest()).map(Ok)
        };
        let later = async |question| match self.pose(caller, without_hint(question)).await {
            Ok(posed) => ControlFlow::Continue(Ok(posed)),
            Err(IntrospectError::Inquiry(error)) => ControlFlow::Continue(Err(error)),
            Err(error) => ControlFlow::Break(error),
        };
        let outcomes = each(questions, at_once, later, turn).await?;
        let mut posed = Vec::with_capacity(outcomes.len());
        let mut senseless: Vec<(usize, InvalidInquiry)> = Vec::new();
        for (place, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(question) => posed.push(question),
                Err(error) => senseless.push((place, error)),
            }
        }
        if senseless.is_empty() {
            return Ok(posed);
        }
        for (place, error) in senseless.iter_mut().take(HINTS_MAX) {
            let Some(question) = questions.get(*place) else { continue };
            if let Err(IntrospectError::Inquiry(hinted)) = self.pose(caller, *question).await {
                *error = hinted;
            }
        }
        Err(IntrospectError::Inquiries(senseless))
    }

    /// Whether a caller may ask these questions together, and whether they can be understood,
    /// whatever the keys.
    ///
    /// # Errors
    ///
    /// [`IntrospectError`]: the caller may not ask; there are none, or more than
    /// [`QUESTIONS_MAX`]; fields of some of them are wrong: all that are, as `requests[3].cost`.
    pub fn check_all(
        &self,
        caller: &Caller,
        questions: &[Question<'_>],
    ) -> Result<(), IntrospectError> {
        self.may_ask(caller)?;
        let mut faults = Faults::new();
        if questions.is_empty() {
            faults.note("requests", format_args!("is required: 1 to {QUESTIONS_MAX} requests"));
        }
        if faults.bound("requests", questions.len(), QUESTIONS_MAX) {
            for (place, question) in questions.iter().enumerate() {
                faults.beneath(&format!("requests[{place}]"), |faults| read(question, faults));
            }
        }
        faults.finish().map_err(IntrospectError::Invalid)
    }
}

/// Refuses questions whose answers would be too large, before anything is taken for them.
async fn check_size<T: Future<Output = ()>>(
    posed: &[Posed<'_>],
    turn: &impl Fn() -> T,
) -> Result<(), IntrospectError> {
    let mut bytes = 0_usize;
    for (place, posed) in posed.iter().enumerate() {
        bytes = bytes.saturating_add(posed.answer_bytes());
        if bytes > ANSWERS_BYTES_MAX {
            let mut faults = Faults::new();
            let most = format_args!(
                "may be answered by more than {ANSWERS_BYTES_MAX} bytes: ask fewer at once, or with the view DECISION"
            );
            faults.note("requests", most);
            return faults.finish().map_err(IntrospectError::Invalid);
        }
        if (place + 1).is_multiple_of(IN_A_ROW_MAX) {
            turn().await;
        }
    }
    Ok(())
}

/// Whether some questions are answered in no time: neither their answers nor their keys are large
/// together.
pub(super) fn are_small(posed: &[Posed<'_>]) -> bool {
    let of_key = |posed: &Posed<'_>| posed.found.as_ref().map_or(0, |found| found.key.size());
    let bytes = posed.iter().map(|posed| posed.answer_bytes().saturating_add(of_key(posed)));
    bytes.fold(0, usize::saturating_add) <= SMALL_BYTES_MAX
}

impl Posed<'_> {
    /// What the answer comes to at the most, in bytes, about.
    fn answer_bytes(&self) -> usize {
        /// What is the same in all of them: names, times, headers.
        const FRAME: usize = 1_024;
        /// Beside the texts of an entry of a list.
        const ENTRY: usize = 8;
        /// What the brief view says.
        const BRIEF: usize = 64;
        let Some(found) = self.found.as_ref().filter(|_| self.full) else {
            return BRIEF;
        };
        let (live, key) = (&found.key, found.key.told());
        let listed = |texts: &mut dyn Iterator<Item = usize>| -> usize {
            texts.map(|length| length.saturating_add(ENTRY)).sum()
        };
        let grants = listed(&mut key.grants().map(|(scope, resource)| {
            scope.len() + resource.map_or(0, |resource| resource.len() + ENTRY)
        }));
        let policy = live.policy();
        let effective = live.scopes_anywhere();
        let effective = listed(&mut effective.iter().map(|scope| policy.scope_name(scope).len()));
        // Those that are missing stand in a header, too.
        let missing = listed(&mut self.inquiry.required_scopes.iter().map(|scope| 2 * scope.len()));
        let bound = listed(&mut key.constraint().map(str::len));
        let labels =
            listed(&mut key.labels().map(|(name, value)| name.len() + value.len() + ENTRY));
        [FRAME, grants, effective, missing, bound, labels].iter().sum()
    }
}
