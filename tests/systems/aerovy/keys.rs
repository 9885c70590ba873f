//! Keys of Aerovy: how they are made, listed, edited and ended.

use keyward::proto::{
    DenyReason,
    KeyState::{self, Active, Expired, Revoked},
    WarningCode,
};

use super::{ADMIN_LIKE, NO_EXPIRY, POLICY};
use crate::scenario::{
    Act, DAY, HOUR, Life, Refusal, Row, Step, Told,
    Verdict::{Address, Allowed, Dead, Lacks, Missing},
    ask, check, forged, key, row, sent,
};

const REVOKED: DenyReason = DenyReason::Revoked;
const YEARS: i64 = 20 * 365 * DAY;

fn narrowed(field: &'static str) -> Told {
    (WarningCode::Narrowed, field)
}

fn stands(key: &'static str, state: KeyState) -> Step {
    Step::Stands { key, state }
}

fn listed(
    states: &'static [KeyState],
    query: &'static str,
    titles: &'static [&'static str],
) -> Step {
    Step::Listed { states, query, titles }
}

#[tokio::test]
async fn creating() {
    let bad_date = Refusal::Field("key.expire_time", "must be in the future");
    let rows = vec![
        row(
            "The page appears only after your organization is bootstrapped for API keys",
            [key().may(&["read"]).in_workspace("not-yet").refused(Refusal::Absent)],
        ),
        row(
            "Name: required; label for the key",
            [
                key().titled(" ").may(&["read"]).refused(Refusal::Field("key.display_name", "")),
                key().titled("ci").may(&["read"]).made(),
                listed(&[], "", &["ci"]),
            ],
        ),
        row(
            "Expires at: leave blank for no expiry",
            [
                key().may(&["read"]).lives(Life::Unending).warns(&[NO_EXPIRY]).made(),
                ask(&["read"]).gives(Allowed),
            ],
        ),
        row(
            "Expires at: date-time",
            [
                key().may(&["read"]).until(HOUR).lives(Life::Seconds(HOUR)).warns(&[]).made(),
                ask(&["read"]).gives(Allowed),
            ],
        ),
        row(
            "expiry optional, without a maximum",
            [key().may(&["read"]).until(YEARS).lives(Life::Seconds(YEARS)).made()],
        ),
        row(
            "expiry must be in the future",
            [
                key().may(&["read"]).until(-1).refused(bad_date),
                key().may(&["read"]).until(-YEARS).refused(bad_date),
            ],
        ),
        row(
            "The action * is as good as an administrator: the form says so",
            [key().may(&["*"]).for_seconds(HOUR).warns(&[ADMIN_LIKE]).made()],
        ),
        row(
            "`avyex` external, the type of a key of which nothing is said",
            [
                key().may(&["read"]).begins("avyex").made(),
                key().titled("said").typed("external").may(&["read"]).begins("avyex").made(),
                ask(&["read"]).gives(Allowed),
                ask(&["read"]).with("said").gives(Allowed),
            ],
        ),
        row(
            "`avyad` admin (by prefix): its scopes say what it may do",
            [
                key().typed("admin").may(&["admin"]).begins("avyad").made(),
                ask(&["admin"]).gives(Allowed),
                ask(&["read"]).gives(Lacks(&["read"])),
            ],
        ),
        row(
            "key types: no other",
            [key().typed("root").may(&["read"]).refused(Refusal::Field("key.type", "root"))],
        ),
        row(
            "A key's secret is shown once, at creation, and never again",
            [key().may(&["read"]).made(), Step::Hidden { key: "" }],
        ),
        row(
            "The organization comes from the key, and no key reaches another organization",
            [
                key().titled("ours").may(&["*"]).made(),
                ask(&["read"]).with("ours").gives(Allowed),
                ask(&["read"]).with("ours").elsewhere().gives(Dead(DenyReason::InvalidKey)),
                key().titled("child").for_key("ours").may(&["read"]).made(),
                key()
                    .for_key("ours")
                    .may(&["read"])
                    .in_workspace("elsewhere")
                    .refused(Refusal::Absent),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

/// A key that never was: whatever is sent, it is answered alike.
fn never_was(says: &'static str, text: &'static str) -> Row {
    row(says, [sent(text).gives(Dead(DenyReason::InvalidKey))])
}

#[tokio::test]
async fn states() {
    let three = || {
        vec![
            key().titled("ci-active").may(&["read"]).made(),
            key().titled("ci-expired").may(&["read"]).for_a_moment().made(),
            key().titled("Web revoked").may(&["read"]).made(),
            Step::Act(Act::Revoke("Web revoked")),
        ]
    };
    let after = |says, steps: Vec<Step>| row(says, three().into_iter().chain(steps));
    let rows = vec![
        after(
            "Active: usable",
            vec![stands("ci-active", Active), ask(&["read"]).with("ci-active").gives(Allowed)],
        ),
        after(
            "Expired: past its expiration; it stays on record",
            vec![
                stands("ci-expired", Expired),
                ask(&["read"]).with("ci-expired").gives(Dead(DenyReason::Expired)),
            ],
        ),
        after(
            "Revoked: permanently disabled; it stays on record",
            vec![
                stands("Web revoked", Revoked),
                ask(&["read"]).with("Web revoked").gives(Dead(REVOKED)),
            ],
        ),
        after("Filter the list by status (default: Active)", vec![listed(&[], "", &["ci-active"])]),
        after(
            "Filter the list by status",
            vec![
                listed(&[Active], "", &["ci-active"]),
                listed(&[Expired], "", &["ci-expired"]),
                listed(&[Revoked], "", &["Web revoked"]),
                listed(
                    &[Active, Expired, Revoked],
                    "",
                    &["ci-active", "ci-expired", "Web revoked"],
                ),
            ],
        ),
        after(
            "search by name",
            vec![
                listed(&[], "CI-", &["ci-active"]),
                listed(&[Active, Expired, Revoked], "ci", &["ci-active", "ci-expired"]),
                listed(&[Active, Expired, Revoked], "web", &["Web revoked"]),
                listed(&[Active, Expired, Revoked], "*", &[]),
            ],
        ),
        row("a missing key is rejected (401)", [sent("").gives(Missing)]),
        never_was("a malformed key is rejected (401)", "key"),
        never_was("… also one with our prefix", "avyex_0"),
        row(
            "an unknown key is rejected (401)",
            [forged("avyad").gives(Dead(DenyReason::InvalidKey))],
        ),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn editing_and_revoking() {
    let bounded = || key().may(&["read", "write"]).from(&["192.0.2.0/24"]).for_seconds(HOUR);
    let from = |client| ask(&["read"]).from(client);
    let rows = vec![
        row(
            "Editing scopes can immediately break calls made with that key. The form warns \
             before you save",
            [
                bounded().made(),
                ask(&["write"]).from("192.0.2.1").gives(Allowed),
                key().may(&["read"]).warns(&[narrowed("key.grants")]).edits("", &["grants"]),
                ask(&["write"]).from("192.0.2.1").gives(Lacks(&["write"])),
                from("192.0.2.1").gives(Allowed),
            ],
        ),
        row(
            "Editing scopes: a filter in place of all resources breaks calls, too",
            [
                bounded().made(),
                key()
                    .may_on("read", "MONITOR/#")
                    .may(&["write"])
                    .warns(&[narrowed("key.grants")])
                    .edits("", &["grants"]),
                from("192.0.2.1").on("MONITOR/1").gives(Allowed),
                from("192.0.2.1").on("TENANT").gives(Lacks(&["read"])),
            ],
        ),
        row(
            "Editing allowed IPs can immediately break calls. The form warns before you save",
            [
                bounded().made(),
                from("192.0.2.1").gives(Allowed),
                key()
                    .from(&["198.51.100.0/24"])
                    .warns(&[narrowed("key.allowed_cidrs")])
                    .edits("", &["allowed_cidrs"]),
                from("192.0.2.1").gives(Address),
                from("198.51.100.1").gives(Allowed),
            ],
        ),
        row(
            "An edit that breaks nothing is not warned of",
            [
                bounded().made(),
                key()
                    .may(&["read", "write", "admin"])
                    .from(&["192.0.2.0/23"])
                    .warns(&[])
                    .edits("", &["grants", "allowed_cidrs"]),
                ask(&["admin"]).from("192.0.3.1").gives(Allowed),
            ],
        ),
        row(
            "An edit that allows all addresses is warned of",
            [
                bounded().made(),
                key()
                    .warns(&[(WarningCode::BoundLifted, "key.allowed_cidrs")])
                    .edits("", &["allowed_cidrs"]),
                from("2001:db8::1").gives(Allowed),
            ],
        ),
        row(
            "An edit is held to the same rules",
            [
                bounded().made(),
                key().may_on("read", "PLACE/Town/7").cannot_edit(
                    "",
                    &["grants"],
                    Refusal::Field("key.grants[0].resource", "there are: Site, Fleet"),
                ),
                key().until(-1).cannot_edit(
                    "",
                    &["expire_time"],
                    Refusal::Field("key.expire_time", "must be in the future"),
                ),
            ],
        ),
        row(
            "Revoking a key is permanent",
            [
                key().may(&["read"]).made(),
                ask(&["read"]).gives(Allowed),
                Step::Act(Act::Revoke("")),
                ask(&["read"]).gives(Dead(REVOKED)),
                key().may(&["read", "write"]).cannot_edit("", &["grants"], Refusal::Revoked),
                key().for_ever().cannot_edit("", &["never_expires"], Refusal::Revoked),
                stands("", Revoked),
                ask(&["read"]).gives(Dead(REVOKED)),
            ],
        ),
        row(
            "If you lose it, revoke the key and create a new one",
            [
                key().titled("lost").may(&["read"]).made(),
                Step::Act(Act::Revoke("lost")),
                key().titled("new").may(&["read"]).made(),
                ask(&["read"]).with("lost").gives(Dead(REVOKED)),
                ask(&["read"]).with("new").gives(Allowed),
            ],
        ),
    ];
    check(POLICY, rows).await;
}
