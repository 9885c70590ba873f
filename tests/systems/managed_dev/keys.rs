//! Keys of managed.dev: how they are made, edited and revoked.

use keyward::proto::{DenyReason, WarningCode};

use super::{POLICY, of_team, service};
use crate::scenario::{
    Act, DAY, HOUR, INVALID, Life, Refusal, Row, Step,
    Verdict::{Address, Allowed, Dead, Lacks, Missing},
    ask, check, forged, key, person, row, sent,
};

const YEAR: i64 = 365 * DAY;

fn reader() -> crate::scenario::Mint {
    service().may(&["sites:read"])
}

/// A row about the type of a key and what its secret begins with.
fn prefix(says: &'static str, key_type: &str, prefix: &'static str) -> Row {
    let made = key().of("ada").typed(key_type).may(&["sites:read"]).begins(prefix).made();
    row(says, [person("ada", "owner"), made, ask(&["sites:read"]).gives(Allowed)])
}

#[tokio::test]
async fn creating() {
    let wrong_end = |said| Refusal::Field("key.expire_time", said);
    let too_late = wrong_end("later than the policy allows");
    let lives = |seconds| Life::Seconds(seconds);
    let rows = vec![
        of_team(
            "Name the key",
            [
                reader().titled(" ").refused(Refusal::Field("key.display_name", "")),
                reader().titled("ci-deploy-acme").made(),
                Step::Listed { states: &[], query: "deploy", titles: &["ci-deploy-acme"] },
            ],
        ),
        of_team(
            "The name shows up in the audit log; audit log names the key",
            [
                reader().titled("grafana-readonly").made(),
                Step::Logged { key: "grafana-readonly" },
                Step::Act(Act::Revoke("grafana-readonly")),
                Step::Logged { key: "grafana-readonly" },
            ],
        ),
        of_team("the default is 90 days", [reader().lives(lives(90 * DAY)).warns(&[]).made()]),
        of_team(
            "the maximum is one year",
            [
                reader().for_seconds(YEAR).lives(lives(YEAR)).made(),
                reader().for_seconds(YEAR + 1).refused(too_late),
                reader().until(YEAR + 60).refused(too_late),
            ],
        ),
        of_team(
            "never blank",
            [reader().for_ever().refused(wrong_end("requires that keys expire"))],
        ),
        of_team(
            "A shorter TTL is safer; rotate before it lapses",
            [
                reader().titled("a day").for_seconds(DAY).lives(lives(DAY)).made(),
                reader().titled("a moment").for_a_moment().made(),
                ask(&["sites:read"]).with("a day").gives(Allowed),
                ask(&["sites:read"]).with("a moment").gives(Dead(DenyReason::Expired)),
                reader().until(-1).refused(wrong_end("must be in the future")),
            ],
        ),
        of_team(
            "Pick scopes: at least one",
            [service().refused(Refusal::Field("key.grants", "at least one"))],
        ),
        of_team(
            "You can also add an IP allowlist here: CIDR",
            [
                reader().from(&["198.51.100.0/24"]).made(),
                ask(&["sites:read"]).from("198.51.100.7").gives(Allowed),
                ask(&["sites:read"]).from("198.51.101.7").gives(Address),
                ask(&["sites:read"]).gives(Address),
            ],
        ),
        of_team(
            "The key is shown once: you can't retrieve it later, only revoke and re-mint",
            [reader().made(), Step::Hidden { key: "" }],
        ),
        prefix("`mfk_live_` personal", "personal", "mfk_live"),
        prefix("`mfk_test_` personal", "personal-test", "mfk_test"),
        prefix("a key of which nothing is said is a personal one", "", "mfk_live"),
        of_team("`mfs_live_` service", [reader().begins("mfs_live").made()]),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn keys_that_do_not_work_are_401() {
    let rows = vec![
        row("missing key: 401", [sent("").gives(Missing)]),
        row("malformed key: 401", [sent("mfk_live_1").gives(Dead(DenyReason::InvalidKey))]),
        row("unknown key: 401", [forged("mfs_live").gives(Dead(DenyReason::InvalidKey))]),
        of_team(
            "expired key: 401, also where the resource is hidden and the scope missing",
            [
                reader().pinned_to(&["site/1"]).for_a_moment().made(),
                ask(&["sites:write"]).on("site/2").gives(Dead(DenyReason::Expired)),
            ],
        ),
        of_team(
            "roll with a grace of nothing: the old secret stops at once",
            [
                reader().made(),
                Act::RotateWith("", 0).happens(),
                ask(&["sites:read"]).replaced().gives(INVALID),
                ask(&["sites:read"]).gives(Allowed),
            ],
        ),
        of_team(
            "revoke: immediate; revoked key: 401",
            [
                reader().made(),
                ask(&["sites:read"]).gives(Allowed),
                Step::Act(Act::Revoke("")),
                ask(&["sites:read"]).gives(Dead(DenyReason::Revoked)),
                key().may(&["sites:read"]).cannot_edit("", &["grants"], Refusal::Revoked),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

/// A row about a key that is rolled, and works with its newest secret afterwards.
fn rolled(says: &'static str, steps: impl IntoIterator<Item = Step>) -> Row {
    let works = ask(&["sites:read"]).gives(Allowed);
    of_team(says, [reader().made()].into_iter().chain(steps).chain([works]))
}

#[tokio::test]
async fn rolling_with_a_grace_window() {
    let old = || ask(&["sites:read"]).replaced();
    let rows = vec![
        rolled(
            "roll with a grace window: nothing is said of it, and the old secret goes on",
            [Act::Rotate("").happens(), old().gives(Allowed)],
        ),
        rolled(
            "roll with a grace window: an hour",
            [Act::RotateWith("", HOUR).happens(), old().gives(Allowed)],
        ),
        rolled(
            "roll with a grace window: the old secret may do what the key may, and no more",
            [
                Act::Rotate("").happens(),
                ask(&["sites:write"]).replaced().gives(Lacks(&["sites:write"])),
                key().may(&["jobs:read", "sites:read"]).edits("", &["grants"]),
                ask(&["jobs:read"]).replaced().gives(Allowed),
            ],
        ),
        rolled(
            "rolled again within the grace: the oldest stops at once",
            [
                Act::Rotate("").happens(),
                Act::Rotate("").happens(),
                ask(&["sites:read"]).ago(2).gives(INVALID),
                old().gives(Allowed),
            ],
        ),
        rolled(
            "rolled again within the grace and without one: both older ones stop at once",
            [
                Act::Rotate("").happens(),
                Act::RotateWith("", 0).happens(),
                ask(&["sites:read"]).ago(2).gives(INVALID),
                old().gives(INVALID),
            ],
        ),
        rolled(
            "a week of grace at the most",
            [
                Step::NotRotated { key: "", grace: 7 * DAY + 1, why: Refusal::Field("grace", "") },
                Act::RotateWith("", 7 * DAY).happens(),
                old().gives(Allowed),
            ],
        ),
        of_team(
            "revoke within the grace: immediate, for both secrets",
            [
                reader().made(),
                Act::Rotate("").happens(),
                old().gives(Allowed),
                Act::Revoke("").happens(),
                old().gives(Dead(DenyReason::Revoked)),
                ask(&["sites:read"]).gives(Dead(DenyReason::Revoked)),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn editing() {
    let narrowed = |field| (WarningCode::Narrowed, field);
    let rows = vec![
        of_team(
            "edit: name",
            [
                reader().titled("old").made(),
                key().titled("new").warns(&[]).edits("old", &["display_name"]),
                Step::Listed { states: &[], query: "", titles: &["new"] },
                ask(&["sites:read"]).with("old").gives(Allowed),
            ],
        ),
        of_team(
            "edit: scopes",
            [
                reader().made(),
                key().may(&["jobs:read"]).warns(&[narrowed("key.grants")]).edits("", &["grants"]),
                ask(&["jobs:read"]).gives(Allowed),
                ask(&["sites:read"]).gives(Lacks(&["sites:read"])),
            ],
        ),
        of_team(
            "edit: TTL, a year from now at the most",
            [
                reader().made(),
                key().for_seconds(YEAR).lives(Life::Seconds(YEAR)).warns(&[]).edits("", &["ttl"]),
                key()
                    .for_seconds(DAY)
                    .lives(Life::Seconds(DAY))
                    .warns(&[narrowed("key.expire_time")])
                    .edits("", &["ttl"]),
                key().for_seconds(YEAR + 1).cannot_edit(
                    "",
                    &["ttl"],
                    Refusal::Field("key.expire_time", "later than the policy allows"),
                ),
                key().for_ever().cannot_edit(
                    "",
                    &["never_expires"],
                    Refusal::Field("key.expire_time", "requires that keys expire"),
                ),
                ask(&["sites:read"]).gives(Allowed),
            ],
        ),
        of_team(
            "edit: IP list",
            [
                reader().from(&["198.51.100.0/24"]).made(),
                key()
                    .from(&["203.0.113.0/24"])
                    .warns(&[narrowed("key.allowed_cidrs")])
                    .edits("", &["allowed_cidrs"]),
                ask(&["sites:read"]).from("203.0.113.1").gives(Allowed),
                ask(&["sites:read"]).from("198.51.100.1").gives(Address),
            ],
        ),
    ];
    check(POLICY, rows).await;
}
