//! Each cell of the table.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    callers::{Who, everybody},
    on_each_database,
    raw::{Reply, framed, send},
    record::same,
    rows::{Answer, Row, rows},
    samples::request,
    spoil::spoilt,
    world::{Kind, MALFORMED, Target, World, ask},
};

/// Calls of one caller at once.
const AT_ONCE: usize = 16;

on_each_database![
    who_may_not_is_told_so_before_anything_is_looked_at_and_changes_nothing,
    who_may_is_answered_in_every_cell_and_is_shown_what_the_table_says,
];

/// The rows of calls that need a caller.
fn guarded() -> Vec<Row> {
    rows().into_iter().filter(|row| row.scope.is_some()).collect()
}

/// Each cell in which this caller is refused.
fn refused(who: &Who) -> impl Iterator<Item = (Row, Target, Answer)> {
    let cells = guarded().into_iter().flat_map(|row| Target::BOTH.map(|target| (row, target)));
    cells
        .map(|(row, target)| (row, target, who.expected(&row, target)))
        .filter(|(.., expected)| [Answer::Denied, Answer::NotFound].contains(expected))
        .filter(|(_, target, expected)| {
            who.is_plain() || *expected == Answer::NotFound || *target == Target::Own
        })
}

#[track_caller]
fn check_refused(reply: &Reply, row: &Row, expected: Answer, what: &str) {
    let (code, reason) = match expected {
        Answer::Denied => (Code::PermissionDenied, "CALLER_SCOPE_MISSING"),
        _ => (Code::NotFound, "RESOURCE_NOT_FOUND"),
    };
    let status = reply.status();
    assert_eq!((status.code(), reply.reason().as_str()), (code, reason), "{what}: {status:?}");
    assert!(reply.body.is_empty(), "{what}: more than a status was sent");
    if expected == Answer::Denied {
        let named = status.get_details_error_info().unwrap().metadata.remove("scope");
        assert_eq!(named.as_deref(), row.scope, "{what}");
    }
}

/// What the caller is answered in each cell in which it is refused.
async fn refusals(world: &World, who: &Who) -> BTreeMap<(String, &'static str, Target), Reply> {
    let calls = refused(who).map(|(row, target, expected)| async move {
        let reply = ask(&who.channel, who.headers.clone(), &row, &world.about(target)).await;
        let what = format!("{} about a {} {target:?} for {}", row.call, row.about, who.name);
        check_refused(&reply, &row, expected, &what);
        ((row.path(), row.about, target), reply)
    });
    stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect().await
}

async fn who_may_not_is_told_so_before_anything_is_looked_at_and_changes_nothing(kind: Kind) {
    let (mut world, everybody) = everybody(kind).await;
    let before = world.record().await;
    let mut of_nothing = Vec::new();
    for who in &everybody {
        of_nothing.push(refusals(&world, who).await);
    }
    let tried: usize = of_nothing.iter().map(BTreeMap::len).sum();
    assert!(tried > 2_000, "{tried} cells");
    same(&before, &world.record().await, "somebody who was refused, before anything was there,");
    world.furnish().await;
    let before = world.record().await;
    for (who, of_nothing) in everybody.iter().zip(&of_nothing) {
        // To the byte what it was told when nothing of it was there.
        for (cell, reply) in refusals(&world, who).await {
            assert_eq!(reply, of_nothing[&cell], "{cell:?} for {}", who.name);
        }
        let tried = |(.., expected): &(Row, Target, Answer)| {
            who.is_plain() || *expected == Answer::NotFound
        };
        let calls = refused(who).filter(tried).map(|(row, target, _)| {
            nonsense_is_answered_alike(&world, who, row, target, of_nothing)
        });
        stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect::<()>().await;
    }
    same(&before, &world.record().await, "somebody who was refused");
}

/// Whether a request is good, nonsense or no message is not looked at.
async fn nonsense_is_answered_alike(
    world: &World,
    who: &Who,
    row: Row,
    target: Target,
    refusals: &BTreeMap<(String, &'static str, Target), Reply>,
) {
    let good = request(&row, &world.about(target)).unwrap();
    let mut bodies = vec![framed(&spoilt(&row, &good))];
    if !row.scope.is_some_and(|scope| who.holds(scope)) {
        if target == Target::Other {
            // Without the scope it is all the same what a request is about.
            return;
        }
        // Nor does it count whether it is a message.
        bodies.extend([framed(&[]), framed(b"\xff\xff")]);
    }
    for body in bodies {
        let what = format!("{} with {:?} for {}", row.call, &body[..body.len().min(40)], who.name);
        let reply = send(&who.channel, &row.path(), who.headers.clone(), body).await;
        assert_eq!(reply, refusals[&(row.path(), row.about, target)], "{what}");
    }
}

async fn who_may_is_answered_in_every_cell_and_is_shown_what_the_table_says(kind: Kind) {
    let (mut world, everybody) = everybody(kind).await;
    world.furnish().await;
    let mut tried = 0;
    for who in &everybody {
        for row in guarded() {
            for target in Target::BOTH {
                let expected = who.expected(&row, target);
                if [Answer::Denied, Answer::NotFound].contains(&expected) {
                    continue;
                }
                // Of a caller that is bound to nothing both are new.
                let workspace = format!(
                    "{}{}",
                    who.new_workspace,
                    if target == Target::Own { "" } else { "-b" }
                );
                let about = world.once(&row, target, &workspace).await;
                let reply = ask(&who.channel, who.headers.clone(), &row, &about).await;
                let what =
                    format!("{} about a {} {target:?} for {}", row.call, row.about, who.name);
                assert_eq!(reply.status().code(), Code::Ok, "{what}: {:?}", reply.status());
                if let Some(mark) = about.mark(&row) {
                    let shown = contains(&reply.body, &mark);
                    assert_eq!(shown, expected == Answer::Carried, "{what}: {mark}");
                }
                if expected == Answer::Hidden && row.about == "secret" {
                    let unknown = crate::samples::About { secret: MALFORMED.to_owned(), ..about };
                    let unknown = ask(&who.channel, who.headers.clone(), &row, &unknown).await;
                    assert_eq!(reply, unknown, "{what}: as a secret that is none");
                }
                world.undo(&row, target).await;
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried} cells");
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}
