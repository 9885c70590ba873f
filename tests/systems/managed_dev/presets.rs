//! The presets of managed.dev, expanded when a key is made.

use super::{POLICY, catalogue, key, of_team, service, sorted};
use crate::scenario::{
    Act, Refusal, Row, Step,
    Verdict::{Allowed, Lacks},
    ask, check, person, row,
};

/// A row about a key made from a preset by a team: what it is stored with.
fn expands(says: &'static str, preset: &str, scopes: Vec<String>) -> Row {
    of_team(says, [service().preset(preset).made(), Step::Holds { key: "", scopes }])
}

/// The same, by a person with a role.
fn capped(
    says: &'static str,
    role: &'static str,
    preset: &str,
    scopes: impl IntoIterator<Item = &'static str>,
) -> Row {
    let scopes = sorted(scopes);
    let made = key().of("ada").preset(preset).made();
    row(says, [person("ada", role), made, Step::Holds { key: "", scopes }])
}

#[tokio::test]
async fn each_is_stored_expanded() {
    let reads = || catalogue(|_, action| action == "read");
    let changes = [
        "sites:write",
        "environments:write",
        "deployments:write",
        "domains:write",
        "backups:write",
    ];
    let rows = vec![
        expands(
            "read-only = every `*:read` that the role allows and that is not isolated",
            "read-only",
            reads(),
        ),
        expands(
            "ci-terraform = read-only plus sites, environments, deployments, domains and \
             backups `:write`",
            "ci-terraform",
            sorted(reads().into_iter().chain(changes.map(str::to_owned))),
        ),
        expands(
            "deploy-bot = sites:read deployments:write environments:write domains:read \
             jobs:read observability:read",
            "deploy-bot",
            sorted([
                "sites:read",
                "deployments:write",
                "environments:write",
                "domains:read",
                "jobs:read",
                "observability:read",
            ]),
        ),
        expands(
            "observability = observability:read security:read jobs:read sites:read",
            "observability",
            sorted(["observability:read", "security:read", "jobs:read", "sites:read"]),
        ),
        expands(
            "wp-automation = wp.plugins:write wp.themes:write wp.content:write cron:write \
             sites:read environments:read jobs:read",
            "wp-automation",
            sorted([
                "wp.plugins:write",
                "wp.themes:write",
                "wp.content:write",
                "cron:write",
                "sites:read",
                "environments:read",
                "jobs:read",
            ]),
        ),
        capped(
            "read-only: that the role allows",
            "billing",
            "read-only",
            ["account:read", "teams:read"],
        ),
        capped(
            "a key can never exceed the role: what it does not allow is left out, not lowered",
            "observer",
            "deploy-bot",
            ["sites:read", "domains:read", "jobs:read", "observability:read"],
        ),
        row(
            "a key can never exceed the role: where it allows nothing of the preset, no key is made",
            [
                person("ada", "billing"),
                key()
                    .of("ada")
                    .preset("wp-automation")
                    .refused(Refusal::Field("presets[0]", "allows nothing")),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn they_go_with_other_scopes_and_never_with_isolated_ones() {
    let rows = vec![
        of_team(
            "Start from a preset or select individual scopes",
            [
                service().preset("observability").may(&["tls:read", "jobs:read"]).made(),
                Step::Holds {
                    key: "",
                    scopes: sorted([
                        "jobs:read",
                        "observability:read",
                        "security:read",
                        "sites:read",
                        "tls:read",
                    ]),
                },
            ],
        ),
        of_team(
            "It is guaranteed to exclude the dangerous scopes",
            ["read-only", "deploy-bot", "ci-terraform", "observability", "wp-automation"]
                .into_iter()
                .flat_map(|preset| {
                    [
                        service().titled(preset).preset(preset).warns(&[]).made(),
                        ask(&["credentials:read", "credentials:write", "exec:raw", "keys:write"])
                            .with(preset)
                            .gives(Lacks(&[
                                "credentials:read",
                                "credentials:write",
                                "exec:raw",
                                "keys:write",
                            ])),
                    ]
                }),
        ),
        of_team(
            "The dangerous scopes must be added one at a time, on purpose",
            [
                service().preset("deploy-bot").may(&["credentials:read"]).made(),
                ask(&["credentials:read", "deployments:write"]).gives(Allowed),
                ask(&["exec:raw"]).gives(Lacks(&["exec:raw"])),
            ],
        ),
        of_team(
            "Presets: no other",
            [service().preset("deploy").refused(Refusal::Field("presets[0]", "deploy"))],
        ),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn a_later_change_of_the_preset_does_not_change_the_key() {
    let rows = vec![of_team(
        "expanded when the key is made and stored expanded: a later change of the preset does \
         not change the key",
        [
            service().titled("before").preset("observability").made(),
            Step::Act(Act::Preset("observability", &["jobs:read", "tls:read"])),
            Step::Holds {
                key: "before",
                scopes: sorted(["observability:read", "security:read", "jobs:read", "sites:read"]),
            },
            ask(&["sites:read"]).with("before").gives(Allowed),
            ask(&["tls:read"]).with("before").gives(Lacks(&["tls:read"])),
            service().titled("after").preset("observability").made(),
            Step::Holds { key: "after", scopes: sorted(["jobs:read", "tls:read"]) },
            ask(&["sites:read"]).with("after").gives(Lacks(&["sites:read"])),
        ],
    )];
    check(POLICY, rows).await;
}
