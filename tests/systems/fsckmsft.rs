//! fsckmsft: `action:resource` scopes without implication but `admin`, networks, rotation
//! at once.

mod keys;
mod networks;

use keyward::proto::{DenyReason, WarningCode};

use crate::scenario::{
    Act, INVALID, Life, Line, Refusal, Row, Verdict, ask, catalogue, check, key, row, sent,
};

const SYSTEM: &str = "fsckmsft";

const EVERY: &[&str] = &[
    "read:projects",
    "write:projects",
    "read:tasks",
    "write:tasks",
    "read:workflows",
    "write:workflows",
    "admin",
];

const fn line(scope: &'static str, says: &'static str) -> Line {
    Line { scope, says, implies: &[] }
}

static SCOPES: [Line; 7] = [
    line("read:projects", "read:projects | List and read project data"),
    line("write:projects", "write:projects | Create and update projects"),
    line("read:tasks", "read:tasks | Read task details"),
    line("write:tasks", "write:tasks | Create, update, and complete tasks"),
    line("read:workflows", "read:workflows | View workflow definitions and run history"),
    line("write:workflows", "write:workflows | Trigger and manage workflow runs"),
    Line { scope: "admin", says: "admin | Full workspace access", implies: EVERY },
];

#[tokio::test]
async fn each_scope_grants_what_its_line_says() {
    check(SYSTEM, catalogue(&SCOPES)).await;
}

fn granting() -> Vec<Row> {
    vec![
        row(
            "Enter a descriptive name that identifies the consumer",
            [
                key().titled("GitHub Actions Deploy").may(&["read:tasks"]).made(),
                key().titled("Data Export Script").may(&["read:tasks"]).made(),
                key()
                    .titled(" ")
                    .may(&["read:tasks"])
                    .refused(Refusal::Field("key.display_name", "is required")),
            ],
        ),
        row(
            "Select the scopes this key needs.",
            [
                key().refused(Refusal::Field("key.grants", "is required")),
                key()
                    .may(&["read:task"])
                    .refused(Refusal::Field("key.grants[0].scope", "did you mean \"read:tasks\"?")),
                key().may(&["*"]).refused(Refusal::Field("key.grants[0].scope", "no scope \"*\"")),
                key().may(&["read:*"]).refused(Refusal::Field("key.grants[0].scope", "no scope")),
            ],
        ),
        row(
            "grant only what the consumer requires",
            [
                key().may(&["read:projects", "write:tasks"]).made(),
                ask(&["read:projects", "write:tasks"]).gives(Verdict::Allowed),
                ask(&["read:projects", "read:tasks", "write:tasks", "admin"])
                    .gives(Verdict::Lacks(&["read:tasks", "admin"])),
            ],
        ),
        row(
            "An export script never needs write:workflows.",
            [
                key().titled("export").may(&["read:workflows", "read:projects"]).made(),
                ask(&["read:workflows"]).with("export").gives(Verdict::Allowed),
                ask(&["write:workflows"])
                    .with("export")
                    .gives(Verdict::Lacks(&["write:workflows"])),
            ],
        ),
        row(
            "`write:x` does not imply `read:x`",
            [
                key().may(&["write:projects", "write:tasks", "write:workflows"]).made(),
                ask(&["read:projects", "read:tasks", "read:workflows"]).gives(Verdict::Lacks(&[
                    "read:projects",
                    "read:tasks",
                    "read:workflows",
                ])),
                ask(&["write:tasks", "read:tasks"]).gives(Verdict::Lacks(&["read:tasks"])),
            ],
        ),
        row(
            "`admin` ⇒ everything (use sparingly)",
            [
                key()
                    .may(&["admin"])
                    .warns(&[
                        (WarningCode::NoExpiry, "key.expire_time"),
                        (WarningCode::AdminLikeScope, "key.grants[0].scope"),
                    ])
                    .made(),
                ask(EVERY).gives(Verdict::Allowed),
            ],
        ),
        row(
            "Create a dedicated key for each application. This makes revocation surgical.",
            [
                key().titled("one").may(&["read:tasks"]).made(),
                key().titled("two").may(&["read:tasks"]).made(),
                Act::Revoke("one").happens(),
                ask(&["read:tasks"]).with("one").gives(Verdict::Dead(DenyReason::Revoked)),
                ask(&["read:tasks"]).with("two").gives(Verdict::Allowed),
            ],
        ),
    ]
}

#[tokio::test]
async fn a_key_may_do_what_was_chosen_for_it() {
    check(SYSTEM, granting()).await;
}

fn refusing() -> Vec<Row> {
    let reader = || key().may(&["read:tasks"]).begins("fsckmsft").made();
    vec![
        row(
            "Pass the key in the Authorization header of every request; missing: 401",
            [reader(), sent("").gives(Verdict::Missing), ask(&[]).gives(Verdict::Allowed)],
        ),
        row(
            "malformed: 401",
            [
                reader(),
                sent("fsckmsft").gives(INVALID),
                sent("nothing of ours").gives(INVALID),
                ask(&[]).altered(|secret| format!("Bearer {secret}")).gives(INVALID),
                ask(&[]).altered(|secret| secret[1..].to_owned()).gives(INVALID),
                ask(&[]).altered(|secret| secret[..secret.len() - 1].to_owned()).gives(INVALID),
                ask(&[]).altered(|secret| format!("{secret}0")).gives(INVALID),
                ask(&[]).altered(str::to_uppercase).gives(INVALID),
                ask(&[]).altered(|secret| secret.replace("fsckmsft", "newport")).gives(INVALID),
            ],
        ),
        row(
            "revoked: 401",
            [
                reader(),
                Act::Revoke("").happens(),
                ask(&[]).gives(Verdict::Dead(DenyReason::Revoked)),
                ask(&["admin"]).gives(Verdict::Dead(DenyReason::Revoked)),
            ],
        ),
        row(
            "expiry: none stated; a key lives until it is revoked, unless its maker says so",
            [
                key().titled("lasting").may(&["read:tasks"]).lives(Life::Unending).made(),
                key().titled("brief").may(&["read:tasks"]).for_a_moment().made(),
                ask(&[]).with("lasting").gives(Verdict::Allowed),
                ask(&[]).with("brief").gives(Verdict::Dead(DenyReason::Expired)),
            ],
        ),
        row(
            "Only the key of the workspace itself: another workspace's backend does not know it",
            [reader(), ask(&[]).elsewhere().gives(INVALID), ask(&[]).gives(Verdict::Allowed)],
        ),
    ]
}

#[tokio::test]
async fn what_is_no_working_key_is_401() {
    check(SYSTEM, refusing()).await;
}
