//! Roles of managed.dev: what keys of their holders may do at the most.

use keyward::proto::DenyReason;

use super::{POLICY, catalogue, of_team, service, sorted};
use crate::{
    harness::strings,
    scenario::{
        Act, ISOLATED, Mint, Refusal, Row, Step,
        Verdict::{self, Allowed, Dead, Lacks},
        ask, check, key, person, row, team,
    },
};

const PEOPLE: [&str; 5] = ["owner", "admin", "site_manager", "observer", "billing"];
const ADMIN: &[&str] = &["account:admin", "teams:admin", "sites:admin"];

/// A personal key that lists whatever a key can list.
fn greedy() -> Mint {
    key().of("ada").may(&["*"]).may(ADMIN).may(ISOLATED)
}

fn of_person(says: &'static str, role: &'static str, steps: impl IntoIterator<Item = Step>) -> Row {
    row(says, [person("ada", role)].into_iter().chain(steps))
}

/// A row about a role: all that a key of its holder may do that lists everything.
fn ceiling(says: &'static str, role: &'static str, scopes: Vec<String>) -> Row {
    of_person(says, role, [greedy().made(), Step::May { key: "", scopes }])
}

/// The catalogue without what is administration, and these isolated scopes.
fn without_administration(isolated: &[&str]) -> Vec<String> {
    let open = catalogue(|_, action| action != "admin");
    sorted(open.into_iter().chain(strings(isolated)))
}

#[tokio::test]
async fn ceilings() {
    let kept = [
        "sites",
        "deployments",
        "environments",
        "domains",
        "tls",
        "backups",
        "cron",
        "db",
        "runtime",
    ];
    let seen = ["observability:read", "security:read", "jobs:read", "teams:read"];
    let managed =
        catalogue(|on, action| action != "admin" && (kept.contains(&on) || on.starts_with("wp.")));
    let mut rows = vec![
        ceiling("Roles per team: owner", "owner", without_administration(ISOLATED)),
        ceiling("Roles per team: admin", "admin", without_administration(&["keys:write"])),
        ceiling(
            "Roles per team: site_manager",
            "site_manager",
            sorted(managed.into_iter().chain(strings(&seen))),
        ),
        ceiling("Roles per team: observer", "observer", catalogue(|_, action| action == "read")),
        ceiling(
            "Roles per team: billing",
            "billing",
            sorted(["account:read", "account:write", "teams:read"]),
        ),
    ];
    rows.extend(PEOPLE.map(|role| {
        let steps = [greedy().made(), ask(ADMIN).gives(Lacks(ADMIN))];
        of_person("A personal key has no admin reach", role, steps)
    }));
    let not = |kinds| Refusal::Field("key.principal", kinds);
    rows.push(of_team(
        "A personal key has no admin reach: a team, whose role allows it, has no personal keys",
        [key().of("web").may(ADMIN).refused(not("of the kind USER, not TEAM"))],
    ));
    rows.push(of_person(
        "… and service keys are bound to a team: a person has none",
        "owner",
        [service().of("ada").may(ADMIN).refused(not("of the kind TEAM or SERVICE, not USER"))],
    ));
    rows.push(of_team(
        "… but a service key may have: account, teams, sites: read write admin",
        [service().may(ADMIN).made(), ask(ADMIN).gives(Allowed)],
    ));
    let all = catalogue(|_, _| true).into_iter().chain(strings(ISOLATED));
    rows.push(of_team(
        "effective = perms(role) ∩ scopes(key): a team may give its key all there is",
        [
            service().may(&["*"]).may(ISOLATED).made(),
            Step::May { key: "", scopes: sorted(all.chain(strings(&["*", "wp:*"]))) },
        ],
    ));
    check(POLICY, rows).await;
}

/// A request for a change of a site with each of two keys.
fn both(verdict: Verdict) -> [Step; 2] {
    ["one", "two"].map(|key| ask(&["sites:write"]).with(key).gives(verdict))
}

#[tokio::test]
async fn ceilings_hold_at_every_request() {
    let lacks = Lacks(&["sites:write"]);
    let lowered = |owner: Step, id: &'static str, key: fn() -> Mint| {
        [
            owner,
            key().titled("one").may(&["sites:write"]).made(),
            key().titled("two").may(&["*"]).pinned_to(&["*"]).made(),
        ]
        .into_iter()
        .chain(both(Allowed))
        .chain([Step::Act(Act::Role(id, "observer"))])
        .chain(both(lacks))
        .chain([ask(&["sites:read"]).with("one").gives(Allowed)])
    };
    let rows = vec![
        row(
            "lowering the role lowers every key of that principal at once",
            lowered(person("ada", "owner"), "ada", || key().of("ada"))
                .chain([Step::Act(Act::Role("ada", "admin"))])
                .chain(both(Allowed)),
        ),
        row(
            "lowering the role of a team lowers every service key of it at once",
            lowered(team("web", "service", ""), "web", service),
        ),
        of_person(
            "effective = perms(role) ∩ scopes(key) ∩ constraint(key)",
            "observer",
            [
                key().of("ada").may(&["sites:write", "db:write"]).pinned_to(&["site/1"]).made(),
                ask(&["sites:read", "db:read"]).on("site/1").gives(Allowed),
                ask(&["sites:write"]).on("site/1").gives(lacks),
                ask(&["tls:read"]).on("site/1").gives(Lacks(&["tls:read"])),
                ask(&["sites:read"]).on("site/2").gives(Verdict::NotFound),
            ],
        ),
        of_person(
            "a key can never exceed the role of the principal, no matter which scopes you check",
            "billing",
            [
                key().of("ada").may(&["exec:raw", "sites:admin"]).made(),
                ask(&["exec:raw", "sites:read"]).gives(Lacks(&["exec:raw", "sites:read"])),
            ],
        ),
        row(
            "lowering the role of one person lowers nobody else's keys",
            [
                person("ada", "owner"),
                person("bob", "owner"),
                key().titled("hers").of("ada").may(&["sites:write"]).made(),
                key().titled("his").of("bob").may(&["sites:write"]).made(),
                Step::Act(Act::Role("ada", "observer")),
                ask(&["sites:write"]).with("hers").gives(lacks),
                ask(&["sites:write"]).with("his").gives(Allowed),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn keys_and_their_people() {
    let rows = vec![
        row(
            "personal (dies with its person), service (bound to a team, survives the person)",
            [
                person("ada", "owner"),
                team("web", "service", ""),
                key().titled("live").of("ada").may(&["sites:read"]).made(),
                key().titled("test").of("ada").typed("personal-test").may(&["sites:read"]).made(),
                service().titled("service").may(&["sites:read"]).made(),
                ask(&["sites:read"]).with("live").gives(Allowed),
                ask(&["sites:read"]).with("test").gives(Allowed),
                Step::Act(Act::Disable("ada")),
                ask(&["sites:read"]).with("live").gives(Dead(DenyReason::Disabled)),
                ask(&["sites:read"]).with("test").gives(Dead(DenyReason::Disabled)),
                ask(&["sites:read"]).with("service").gives(Allowed),
            ],
        ),
        of_person(
            "a person that is gone gets no new keys",
            "owner",
            [
                Step::Act(Act::Disable("ada")),
                key().of("ada").may(&["sites:read"]).refused(Refusal::Disabled),
            ],
        ),
        row(
            "a personal key is somebody's, and so is a service key",
            ["personal", "personal-test", "service"].map(|kind| {
                let refusal = Refusal::Field("key.principal", "is required");
                key().typed(kind).may(&["sites:read"]).refused(refusal)
            }),
        ),
    ];
    check(POLICY, rows).await;
}
