//! managed.dev: scopes that imply others, isolated scopes, presets, roles as ceilings, and
//! keys that are pinned to a part of what there is and see nothing else.

mod declared;
mod keys;
mod minting;
mod presets;
mod roles;
mod scopes;

use crate::scenario::{
    Mint, Refusal, Row, Step,
    Verdict::{Allowed, Lacks, NotFound},
    ask, check, each, key, row, team,
};

const POLICY: &str = "managed-dev";

/// The catalogue: what there is, and the actions on it. Isolated scopes are not in it.
const CATALOGUE: [(&str, &[&str]); 19] = [
    ("account", &["read", "write", "admin"]),
    ("teams", &["read", "write", "admin"]),
    ("sites", &["read", "write", "admin"]),
    ("audit", &["read"]),
    ("observability", &["read"]),
    ("security", &["read"]),
    ("jobs", &["read"]),
    ("deployments", &["read", "write"]),
    ("environments", &["read", "write"]),
    ("domains", &["read", "write"]),
    ("tls", &["read", "write"]),
    ("backups", &["read", "write"]),
    ("cron", &["read", "write"]),
    ("db", &["read", "write"]),
    ("runtime", &["write"]),
    ("wp.plugins", &["read", "write"]),
    ("wp.themes", &["read", "write"]),
    ("wp.content", &["read", "write"]),
    ("wp.cli", &["exec"]),
];

/// The names of the catalogue that fit, sorted.
fn catalogue(fits: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let all = CATALOGUE.iter().flat_map(|(on, actions)| actions.iter().map(move |it| (*on, *it)));
    let fitting = all.filter(|(on, action)| fits(on, action));
    sorted(fitting.map(|(on, action)| format!("{on}:{action}")))
}

fn sorted<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
    names.sort_unstable();
    names
}

/// A service key of the team of [`of_team`].
fn service() -> Mint {
    key().of("web").typed("service")
}

/// A row about the keys of a team whose role allows everything.
fn of_team(says: &'static str, steps: impl IntoIterator<Item = Step>) -> Row {
    row(says, [team("web", "service", "")].into_iter().chain(steps))
}

#[tokio::test]
async fn two_behaviors_decide_what_a_key_returns() {
    let pinned = || service().may(&["sites:read"]).pinned_to(&["site/1"]).made();
    let rows = vec![
        of_team(
            "Missing scope on a resource you can see → 403 insufficient_scope",
            [
                pinned(),
                ask(&["sites:read"]).on("site/1").gives(Allowed),
                ask(&["sites:write"]).on("site/1").gives(Lacks(&["sites:write"])),
                ask(&["sites:read", "db:read", "tls:read"])
                    .on("site/1")
                    .gives(Lacks(&["db:read", "tls:read"])),
            ],
        ),
        of_team(
            "Add the scope (or use a key that has it)",
            [
                pinned(),
                service().titled("other").may(&["sites:write"]).made(),
                ask(&["sites:write"]).on("site/1").gives(Lacks(&["sites:write"])),
                ask(&["sites:write"]).on("site/1").with("other").gives(Allowed),
                key().may(&["sites:write"]).warns(&[]).edits("", &["grants"]),
                ask(&["sites:write"]).on("site/1").gives(Allowed),
            ],
        ),
        of_team(
            "Out of scope on a resource you can't see → 404 not_found",
            [pinned(), ask(&["sites:read"]).on("site/2").gives(NotFound)],
        ),
        of_team(
            "A resource that the key cannot see → 404; then a missing scope → 403",
            [
                pinned(),
                ask(&["sites:write"]).on("site/2").gives(NotFound),
                ask(&["exec:raw"]).on("site/2").gives(NotFound),
                ask(&[]).on("site/2").gives(NotFound),
                ask(&["sites:write"]).on("site/1").gives(Lacks(&["sites:write"])),
            ],
        ),
        of_team(
            "a narrowly-scoped key can't enumerate what it has no business knowing about: \
             what is there and what is not is answered alike",
            [
                service().titled("there").may(&["sites:read"]).pinned_to(&["site/2"]).made(),
                pinned(),
            ]
            .into_iter()
            .chain(each(
                &["sites:read"],
                &["site/2", "site/nowhere", "no/such/thing", "site", ""],
                NotFound,
            )),
        ),
        of_team(
            "Widen the constraint, or use a less-restricted key, to confirm",
            [
                pinned(),
                service().titled("free").may(&["sites:read"]).made(),
                ask(&["sites:read"]).on("site/2").gives(NotFound),
                ask(&["sites:read"]).on("site/2").with("free").gives(Allowed),
                key().pinned_to(&["site/1", "site/2"]).warns(&[]).edits("", &["constraint"]),
                ask(&["sites:read"]).on("site/2").gives(Allowed),
                ask(&["sites:read"]).on("site/3").gives(NotFound),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

/// A row about a key pinned to one place: what it sees there, and what not.
fn pinned(
    says: &'static str,
    pattern: &'static str,
    inside: &'static [&'static str],
    outside: &'static [&'static str],
) -> Row {
    let made = [service().may(&["sites:read"]).pinned_to(&[pattern]).made()].into_iter();
    let inside = each(&["sites:read"], inside, Allowed);
    let outside = each(&["sites:read"], outside, NotFound);
    of_team(says, made.chain(inside).chain(outside))
}

#[tokio::test]
async fn constraints() {
    let refused = |says, pattern: &'static str, said| {
        let refusal = Refusal::Field("key.constraint[0]", said);
        of_team(says, [service().may(&["sites:read"]).pinned_to(&[pattern]).refused(refusal)])
    };
    let rows = vec![
        pinned(
            "Pin the key to a team",
            "team/acme",
            &["team/acme", "team/acme/project/shop", "team/acme/project/shop/site/1"],
            &["team/acme2", "team/other/project/shop", "project/shop", "team", ""],
        ),
        pinned(
            "Pin the key to a project",
            "team/acme/project/shop",
            &["team/acme/project/shop", "team/acme/project/shop/site/1/environment/live"],
            &["team/acme", "team/acme/project/shop2", "team/other/project/shop"],
        ),
        pinned(
            "Pin the key to a single site",
            "team/acme/project/shop/site/1",
            &["team/acme/project/shop/site/1", "team/acme/project/shop/site/1/environment/live"],
            &["team/acme/project/shop", "team/acme/project/shop/site/2"],
        ),
        pinned(
            "key pinned to an environment",
            "site/1/environment/live",
            &["site/1/environment/live"],
            &["site/1", "site/1/environment/test", "site/2/environment/live"],
        ),
        pinned(
            "a subtree: site/1 is not site/10",
            "site/1",
            &["site/1", "site/1/environment/live"],
            &["site/10", "site/10/environment/live", "site", "Site/1", "/site/1", "site/2"],
        ),
        of_team(
            "resource constraint (optional)",
            [service().may(&["sites:read"]).made()].into_iter().chain(each(
                &["sites:read"],
                &["", "team/acme", "site/1"],
                Allowed,
            )),
        ),
        row(
            "service key bound to a team: it reaches nothing outside, pinned or not",
            [
                team("web", "service", "team/acme"),
                service().titled("free").may(&["sites:read"]).made(),
                service().titled("pinned").may(&["sites:read"]).pinned_to(&["team/other"]).made(),
                ask(&["sites:read"]).on("team/acme/project/shop").with("free").gives(Allowed),
                ask(&["sites:read"]).on("team/other").with("free").gives(NotFound),
                ask(&["sites:read"]).on("team/other").with("pinned").gives(NotFound),
                ask(&["sites:read"]).on("team/acme").with("pinned").gives(NotFound),
            ],
        ),
        of_team(
            "anything outside doesn't just refuse, also where a grant alone says what is inside",
            [
                service().may_on("sites:read", "site/1").made(),
                ask(&["sites:read"]).on("site/1").gives(Allowed),
                ask(&["sites:read"]).on("site/2").gives(NotFound),
                ask(&["sites:write"]).on("site/1").gives(Lacks(&["sites:write"])),
            ],
        ),
        refused(
            "a team, a project, a site or an environment, and nothing else",
            "server/1",
            "there are: team, project, site, environment",
        ),
        refused("a site by its name", "site", "a site is written site/{site}"),
    ];
    check(POLICY, rows).await;
}
