//! An answer, written as [`crate::grpc::convert::introspect::answer`] and prost do, without a
//! message in between: of many names none is copied but into the answer.

use smallvec::SmallVec;

use super::writer::Writer;
use crate::{
    domain::{advice::Advice, decision::Denial, limit::Wait, live::LiveKey},
    grpc::convert::{
        duration,
        introspect::{http, limit, reason},
        key::max_age,
        timestamp,
    },
    introspect::Answer,
    proto,
};

/// Writes an `IntrospectResponse`.
pub(super) fn write(writer: &mut Writer, answer: &Answer, full: bool) {
    let Answer { decision, key, presented, verdict, stale_since, .. } = answer;
    let denial = decision.denial;
    let outcome = if denial.is_none() { proto::Decision::Allow } else { proto::Decision::Deny };
    writer.number(1, denial.is_none_or(Denial::is_active).into());
    writer.number(2, i32::from(outcome).into());
    writer.number(3, i32::from(reason(denial)).into());
    writer.number(4, key.as_ref().map(|key| key.revision().0).unwrap_or_default());
    if full {
        let missing = match key {
            Some(live) => write_key(writer, live, answer),
            None => SmallVec::new(),
        };
        let mut advice = Advice::new(denial, *presented, missing.iter().copied());
        if key.is_some() {
            advice = advice.within(verdict);
        }
        writer.message(16, Some(&http(advice)));
        for status in verdict.limits.iter().filter(|_| key.is_some()) {
            writer.message(17, Some(&limit(status)));
        }
        writer.message(18, Some(&max_age()));
    }
    writer.message(19, stale_since.map(timestamp).as_ref());
    if let Some(Wait::For(wait)) = verdict.wait {
        writer.message(20, Some(&duration(wait)));
    }
}

/// Writes what is told of the key, and gives the names of the scopes that are missing.
fn write_key<'a>(
    writer: &mut Writer,
    live: &'a LiveKey,
    answer: &Answer,
) -> SmallVec<[&'a str; 8]> {
    let (told, name, policy) = (live.told(), live.name(), live.policy());
    let workspace = ["workspaces/", name.workspace.as_str()];
    let [collection, id] = workspace;
    writer.parts(5, &[collection, id, "/keys/", name.key.as_str()]);
    writer.text(6, told.title);
    writer.text(7, told.key_type);
    for (label, value) in told.labels() {
        writer.nested(8, |writer| {
            writer.text(1, label);
            writer.text(2, value);
        });
    }
    writer.parts(9, &workspace);
    if !told.principal.is_empty() {
        writer.parts(10, &[collection, id, "/principals/", told.principal]);
    }
    for (scope, resource) in told.grants() {
        writer.nested(11, |writer| {
            writer.text(1, scope);
            writer.text(2, resource.unwrap_or_default());
        });
    }
    let name_of = |scope| policy.scope_name(scope);
    let mut effective: SmallVec<[&str; 32]> = answer.effective.iter().map(name_of).collect();
    effective.sort_unstable();
    effective.iter().for_each(|scope| writer.entry(12, scope));
    let missing: SmallVec<[&str; 8]> =
        answer.decision.missing.iter().map(|scope| name_of(*scope)).collect();
    missing.iter().for_each(|scope| writer.entry(13, scope));
    told.constraint().for_each(|pattern| writer.entry(14, pattern));
    writer.message(15, live.expire_time().map(timestamp).as_ref());
    missing
}
