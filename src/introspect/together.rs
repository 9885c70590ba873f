//! Several questions at once: all are answered, or none is.
//!
//! Each is posed before anything is taken for any: one that makes no sense fails all, and then no
//! limit is the less and no use is counted. Uses are counted once all are decided. What was taken
//! of limits stays taken where one of them cannot be told in the end.

use std::future::Future;

use futures_util::stream::{StreamExt as _, iter};

use super::{Answer, IntrospectError, Introspection, Posed, Question, read};
use crate::domain::{caller::Caller, decision::InvalidInquiry, fault::Faults};

/// The most questions that are asked together.
pub const QUESTIONS_MAX: usize = 1_000;

/// Questions of one batch that are answered at once: as many may wait for the database.
const AT_ONCE: usize = 32;
/// After so many in a row others get their turn on this thread.
const IN_A_ROW_MAX: usize = 32;

/// Waits for all of them, some at once, and gives what comes of each in their order. After
/// some in a row it waits for `turn`.
async fn all<W: Future, T: Future<Output = ()>>(
    works: Vec<W>,
    turn: &impl Fn() -> T,
) -> Vec<W::Output> {
    let mut ended = Vec::with_capacity(works.len());
    let mut ending = iter(works).buffered(AT_ONCE);
    while let Some(end) = ending.next().await {
        ended.push(end);
        if ended.len().is_multiple_of(IN_A_ROW_MAX) {
            turn().await;
        }
    }
    ended
}

impl Introspection {
    /// Decides several requests. The answers stand in the order of the questions. `turn` is
    /// waited for now and then, so that others are not kept waiting.
    ///
    /// # Errors
    ///
    /// As of [`Introspection::introspect`], and [`Introspection::check_all`]; of questions that
    /// make no sense under the policies of their keys all are named.
    pub async fn introspect_all<T: Future<Output = ()>>(
        &self,
        caller: &Caller,
        questions: &[Question<'_>],
        turn: impl Fn() -> T,
    ) -> Result<Vec<Answer>, IntrospectError> {
        self.check_all(caller, questions)?;
        let mut posing = Vec::with_capacity(questions.len());
        for question in questions {
            posing.push(self.pose(caller, *question));
        }
        let posed = posed(all(posing, &turn).await)?;
        let mut deciding = Vec::with_capacity(posed.len());
        for posed in &posed {
            deciding.push(self.decide(posed));
        }
        let answers: Result<Vec<Answer>, _> = all(deciding, &turn).await.into_iter().collect();
        let answers = answers?;
        for (posed, answer) in posed.iter().zip(&answers) {
            self.conclude(posed, answer);
        }
        Ok(answers)
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

/// The questions that make sense, where all do.
fn posed<'a>(
    outcomes: Vec<Result<Posed<'a>, IntrospectError>>,
) -> Result<Vec<Posed<'a>>, IntrospectError> {
    let mut posed = Vec::with_capacity(outcomes.len());
    let mut senseless: Vec<(usize, InvalidInquiry)> = Vec::new();
    for (place, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(question) => posed.push(question),
            Err(IntrospectError::Inquiry(error)) => senseless.push((place, error)),
            Err(error) => return Err(error),
        }
    }
    if senseless.is_empty() { Ok(posed) } else { Err(IntrospectError::Inquiries(senseless)) }
}
