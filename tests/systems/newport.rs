//! Newport: three scopes, the table of errors, plans.

use keyward::proto::{self, DenyReason, HttpAdvice, WarningCode};

use crate::{
    harness::{grants, wrong_fields},
    scenario::{Act, INVALID, Line, Refusal, Row, Verdict, ask, catalogue, check, key, row, sent},
    support::{all_systems, all_systems_and_an_unknown, policy},
};

const SYSTEM: &str = "newport";

const REVOKED: Verdict = Verdict::Dead(DenyReason::Revoked);

static SCOPES: [Line; 3] = [
    Line {
        scope: "read:all",
        says: "read:all | Read access to all resources across the workspace",
        implies: &[],
    },
    Line {
        scope: "write:all",
        says: "write:all | Create and update access to all non-administrative resources",
        implies: &[],
    },
    Line {
        scope: "admin",
        says: "admin | Full access including team management, billing, and API key administration",
        implies: &["read:all", "write:all"],
    },
];

#[tokio::test]
async fn each_scope_grants_what_its_line_says() {
    check(SYSTEM, catalogue(&SCOPES)).await;
}

fn granting() -> Vec<Row> {
    let everything = &["admin", "read:all", "write:all"];
    vec![
        row(
            "The admin scope encompasses all read:all and write:all permissions",
            [key().may(&["admin"]).made(), ask(&["read:all", "write:all"]).gives(Verdict::Allowed)],
        ),
        row(
            "so you don't need to stack scopes: stacked ones give no more",
            [
                key().titled("one").may(&["admin"]).made(),
                key().titled("three").may(everything).made(),
                ask(everything).with("one").gives(Verdict::Allowed),
                ask(everything).with("three").gives(Verdict::Allowed),
            ],
        ),
        row(
            "read:all and write:all together are not admin",
            [
                key().may(&["read:all", "write:all"]).made(),
                ask(&["read:all", "write:all"]).gives(Verdict::Allowed),
                ask(&["admin"]).gives(Verdict::Lacks(&["admin"])),
            ],
        ),
        row(
            "Reserve admin keys for trusted internal systems",
            [key()
                .may(&["admin"])
                .warns(&[
                    (WarningCode::NoExpiry, "key.expire_time"),
                    (WarningCode::AdminLikeScope, "key.grants[0].scope"),
                ])
                .made()],
        ),
        row(
            "you select one or more scopes that define exactly what that key can do",
            [
                key().refused(Refusal::Field("key.grants", "is required")),
                key()
                    .may(&["read:al"])
                    .refused(Refusal::Field("key.grants[0].scope", "did you mean \"read:all\"?")),
                key()
                    .may(&["read:users"])
                    .refused(Refusal::Field("key.grants[0].scope", "no scope")),
            ],
        ),
        row(
            "Give the key a descriptive name that reflects its purpose",
            [
                key().titled("production-backend").may(&["read:all"]).made(),
                key().titled("ci-pipeline").may(&["write:all"]).made(),
                key()
                    .titled(" ")
                    .may(&["read:all"])
                    .refused(Refusal::Field("key.display_name", "is required")),
            ],
        ),
    ]
}

#[tokio::test]
async fn a_key_may_do_what_was_chosen_for_it() {
    check(SYSTEM, granting()).await;
}

fn errors() -> Vec<Row> {
    let reader = || key().may(&["read:all"]).begins("newport").made();
    vec![
        row(
            "401 | The API key is missing",
            [reader(), sent("").gives(Verdict::Missing), ask(&[]).gives(Verdict::Allowed)],
        ),
        row(
            "401 | The API key is malformed",
            [
                reader(),
                sent("YOUR_API_KEY").gives(INVALID),
                ask(&[]).altered(|secret| secret[..secret.len() / 2].to_owned()).gives(INVALID),
                ask(&[]).altered(|secret| secret.replace("newport_", "")).gives(INVALID),
            ],
        ),
        row(
            "the key is copied correctly with no whitespace",
            [
                reader(),
                ask(&[]).altered(|secret| format!(" {secret}")).gives(INVALID),
                ask(&[]).altered(|secret| format!("{secret} ")).gives(INVALID),
                ask(&[]).altered(|secret| format!("{secret}\n")).gives(INVALID),
                ask(&[])
                    .altered(|secret| format!("{}\t{}", &secret[..9], &secret[9..]))
                    .gives(INVALID),
                ask(&[]).gives(Verdict::Allowed),
            ],
        ),
        row(
            "401 | or has been revoked",
            [reader(), Act::Revoke("").happens(), ask(&["read:all"]).gives(REVOKED)],
        ),
        row(
            "403 | The key is valid but lacks the scope required for this endpoint",
            [
                reader(),
                ask(&["write:all"]).gives(Verdict::Lacks(&["write:all"])),
                ask(&["read:all", "write:all"]).gives(Verdict::Lacks(&["write:all"])),
                ask(&["write:all", "read:all", "admin"])
                    .gives(Verdict::Lacks(&["write:all", "admin"])),
            ],
        ),
        row(
            "401 and not 403: what a revoked key lacks is not said",
            [reader(), Act::Revoke("").happens(), ask(&["admin"]).gives(REVOKED)],
        ),
        row(
            "edit the key, and add the necessary scope (e.g., write:all for POST requests)",
            [
                reader(),
                ask(&["write:all"]).gives(Verdict::Lacks(&["write:all"])),
                key()
                    .may(&["read:all", "write:all"])
                    .warns(&[(WarningCode::NoExpiry, "key.expire_time")])
                    .edits("", &["grants"]),
                ask(&["write:all"]).gives(Verdict::Allowed),
                ask(&["read:all"]).gives(Verdict::Allowed),
            ],
        ),
        row(
            "a scope that is taken away is missing with the next call, and that is told before",
            [
                key().may(&["read:all", "write:all"]).made(),
                key()
                    .may(&["read:all"])
                    .warns(&[
                        (WarningCode::NoExpiry, "key.expire_time"),
                        (WarningCode::Narrowed, "key.grants"),
                    ])
                    .edits("", &["grants"]),
                ask(&["write:all"]).gives(Verdict::Lacks(&["write:all"])),
            ],
        ),
    ]
}

#[tokio::test]
async fn the_table_of_errors_holds() {
    check(SYSTEM, errors()).await;
}

#[tokio::test]
async fn a_401_says_no_more_to_the_outside_than_that_the_key_is_not_usable() {
    let reader = || proto::Key {
        display_name: "x".into(),
        grants: grants(&["read:all"]),
        ..Default::default()
    };
    let (_server, mut root, unknown) = all_systems_and_an_unknown(SYSTEM, reader()).await;
    let revoked = root.create_key(SYSTEM, "revoked", reader()).await.secret;
    let name = "workspaces/newport/keys/revoked".to_owned();
    root.admin.revoke_key(proto::RevokeKeyRequest { name, ..Default::default() }).await.unwrap();
    let rotated = root.create_key(SYSTEM, "rotated", reader()).await.secret;
    let name = "workspaces/newport/keys/rotated".to_owned();
    root.admin.rotate_key(proto::RotateKeyRequest { name, ..Default::default() }).await.unwrap();

    let expected = HttpAdvice {
        status: 401,
        headers: vec![proto::HttpHeader {
            name: "WWW-Authenticate".into(),
            value: r#"Bearer error="invalid_token""#.into(),
        }],
    };
    for (what, secret) in [
        ("malformed", "newport_nonsense"),
        ("unknown", &unknown),
        ("revoked", &revoked),
        ("rotated out", &rotated),
    ] {
        for required in [&["read:all"][..], &["admin"], &[]] {
            let answer = root.ask(secret, required, "").await;
            assert_eq!(answer.http, Some(expected.clone()), "{what}, asked for {required:?}");
        }
    }
    // What is not known to be a key of ours says nothing to the backend either.
    let malformed = root.ask("newport_nonsense", &["read:all"], "").await;
    assert_eq!(root.ask(&unknown, &["read:all"], "").await, malformed);
    assert_eq!(root.ask(&rotated, &["read:all"], "").await, malformed);
}

#[tokio::test]
async fn a_workspace_has_one_of_the_plans_and_each_limits_its_keys() {
    let (_server, mut root) = all_systems().await;
    let creation = |plan: &str| proto::CreateWorkspaceRequest {
        workspace_id: format!("on-{plan}"),
        workspace: Some(proto::Workspace {
            policy: format!("policies/{SYSTEM}"),
            plan: plan.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut least = 0;
    for name in ["free", "pro", "enterprise"] {
        let made = root.admin.create_workspace(creation(name)).await.unwrap().into_inner();
        assert_eq!(made.workspace.unwrap().plan, name);
        let plan = policy(SYSTEM).plans.into_iter().find(|plan| plan.name == name).unwrap();
        let [limit] = &plan.key_limits[..] else { panic!("{:?}", plan.key_limits) };
        assert!(limit.quota > least && limit.class.is_empty(), "{limit:?}");
        least = limit.quota;
    }
    let outcome = root.admin.create_workspace(creation("gold")).await;
    assert_eq!(wrong_fields(outcome), ["workspace.plan"]);
}
