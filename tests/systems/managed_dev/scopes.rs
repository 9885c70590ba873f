//! What each scope of managed.dev is good for.

use keyward::proto::WarningCode;

use super::{POLICY, catalogue, of_team, service, sorted};
use crate::scenario::{
    ISOLATED, Refusal, Row, Step, Told,
    Verdict::{Allowed, Lacks},
    ask, check,
};

const ISOLATED_0: Told = (WarningCode::IsolatedScope, "key.grants[0].scope");
const ADMIN_LIKE_0: Told = (WarningCode::AdminLikeScope, "key.grants[0].scope");

/// A row about a key that holds these scopes: all that it may do.
fn reach(says: &'static str, held: &[&str], reached: &[&str]) -> Row {
    let scopes = sorted(reached.iter().copied());
    of_team(says, [service().may(held).made(), Step::May { key: "", scopes }])
}

/// A row about a key that holds these scopes: none of the isolated ones is reached.
fn reaches_no_isolated(says: &'static str, held: &[&str]) -> Row {
    let lacks = ISOLATED.chunks(1).map(|scope| ask(scope).gives(Lacks(scope)));
    of_team(says, [service().may(held).made()].into_iter().chain(lacks))
}

#[tokio::test]
async fn implications() {
    let rows = vec![
        reach("sites:read is itself", &["sites:read"], &["sites:read"]),
        reach("write ⇒ read, per resource", &["sites:write"], &["sites:read", "sites:write"]),
        reach(
            "admin ⇒ write ⇒ read, per resource",
            &["teams:admin"],
            &["teams:admin", "teams:read", "teams:write"],
        ),
        reach("read implies nothing of another resource", &["tls:read"], &["tls:read"]),
        reach(
            "[product.]resource:action: the product belongs to the resource",
            &["wp.plugins:write"],
            &["wp.plugins:read", "wp.plugins:write"],
        ),
        reach("write ⇒ read only where there is a read", &["runtime:write"], &["runtime:write"]),
        reach("exec is neither write nor admin", &["wp.cli:exec"], &["wp.cli:exec"]),
        reach(
            "credentials:write does not reach credentials:read, which is isolated",
            &["credentials:write"],
            &["credentials:write"],
        ),
        of_team(
            "write on one resource is no write on another",
            [
                service().may(&["environments:write", "jobs:read"]).made(),
                ask(&["environments:read", "jobs:read"]).gives(Allowed),
                ask(&["deployments:read"]).gives(Lacks(&["deployments:read"])),
                ask(&["environments:write", "domains:write"]).gives(Lacks(&["domains:write"])),
            ],
        ),
        of_team(
            "a scope that is not in the catalogue is none",
            [service()
                .may(&["site:read"])
                .refused(Refusal::Field("key.grants[0].scope", "did you mean \"sites:read\"?"))],
        ),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn wildcards() {
    let wp = catalogue(|on, _| on.starts_with("wp."));
    let all = catalogue(|_, _| true);
    let with = |names: &[String], wildcards: &[&str]| {
        let names = names.iter().map(String::as_str);
        sorted(names.chain(wildcards.iter().copied()))
    };
    let rows = vec![
        of_team(
            "`wp:*` = every `wp.…` scope",
            [
                service().may(&["wp:*"]).warns(&[]).made(),
                Step::May { key: "", scopes: with(&wp, &["wp:*"]) },
                ask(&["wp.cli:exec"]).gives(Allowed),
                ask(&["cron:read"]).gives(Lacks(&["cron:read"])),
            ],
        ),
        of_team(
            "`*` = every scope except the isolated ones",
            [
                service().may(&["*"]).warns(&[ADMIN_LIKE_0]).made(),
                Step::May { key: "", scopes: with(&all, &["*", "wp:*"]) },
            ],
        ),
        reaches_no_isolated("no wildcard ever includes them", &["*", "wp:*"]),
        reaches_no_isolated(
            "nor all the administration there is",
            &["account:admin", "teams:admin", "sites:admin"],
        ),
        of_team(
            "`*` plus a literal keys:write is legal; `*` alone cannot mint keys",
            [
                service().titled("star").may(&["*"]).made(),
                service()
                    .titled("both")
                    .may(&["keys:write", "*"])
                    .warns(&[ISOLATED_0, (WarningCode::AdminLikeScope, "key.grants[1].scope")])
                    .made(),
                ask(&["keys:write"]).with("star").gives(Lacks(&["keys:write"])),
                ask(&["keys:write", "sites:admin"]).with("both").gives(Allowed),
                ask(&["exec:raw"]).with("both").gives(Lacks(&["exec:raw"])),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn isolated_scopes() {
    let rows = ISOLATED.chunks(1).map(|scope| {
        let others = ISOLATED.chunks(1).filter(move |other| *other != scope);
        let made = service().may(scope).warns(&[ISOLATED_0]).made();
        let lacks = others.map(|other| ask(other).gives(Lacks(other)));
        of_team(
            "each must be listed literally, one at a time, on purpose",
            [made, ask(scope).gives(Allowed)].into_iter().chain(lacks),
        )
    });
    check(POLICY, rows.collect()).await;
}
