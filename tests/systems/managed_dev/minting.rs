//! Keys made on behalf of a key: none exceeds it.

use super::{POLICY, of_team, service};
use crate::scenario::{
    Act, HOUR, Mint, Refusal, Step,
    Verdict::{Allowed, Lacks, NotFound},
    ask, check, key, person, row, team,
};

const MINTER: &str = "minter";

/// A key that may mint others, bounded in every way.
fn minter() -> Step {
    service()
        .titled(MINTER)
        .may(&["keys:write", "sites:write"])
        .pinned_to(&["site/1"])
        .from(&["192.0.2.0/24"])
        .for_seconds(HOUR)
        .made()
}

/// A key that is no more than the minter.
fn modest() -> Mint {
    service()
        .for_key(MINTER)
        .may(&["sites:read"])
        .pinned_to(&["site/1"])
        .from(&["192.0.2.0/28"])
        .for_seconds(HOUR / 2)
}

#[tokio::test]
async fn a_new_key_never_exceeds_the_key_that_mints_it() {
    let rows = vec![
        of_team(
            "the new key is as narrow, or narrower",
            [
                minter(),
                modest().titled("narrower").made(),
                modest().titled("as narrow").may(&["sites:write", "keys:write"]).made(),
                modest().titled("deeper").pinned_to(&["site/1/environment/live"]).made(),
                ask(&["sites:read"]).with("narrower").on("site/1").from("192.0.2.1").gives(Allowed),
            ],
        ),
        of_team(
            "never in scopes",
            [
                minter(),
                modest().may(&["sites:admin"]).refused(Refusal::Broader("grants")),
                modest().may(&["jobs:read"]).refused(Refusal::Broader("grants")),
                modest().may(&["exec:raw"]).refused(Refusal::Broader("grants")),
                modest().may(&["*"]).refused(Refusal::Broader("grants")),
                modest().preset("observability").refused(Refusal::Broader("grants")),
            ],
        ),
        of_team(
            "never in resources",
            [
                minter(),
                modest().pinned_to(&[]).refused(Refusal::Broader("constraint")),
                modest().pinned_to(&["site/10"]).refused(Refusal::Broader("constraint")),
                modest().pinned_to(&["site/1", "site/2"]).refused(Refusal::Broader("constraint")),
                modest().pinned_to(&["*"]).refused(Refusal::Broader("constraint")),
            ],
        ),
        of_team(
            "never in CIDRs",
            [
                minter(),
                modest().from(&[]).refused(Refusal::Broader("allowed_cidrs")),
                modest().from(&["192.0.2.0/23"]).refused(Refusal::Broader("allowed_cidrs")),
                modest().from(&["2001:db8::1"]).refused(Refusal::Broader("allowed_cidrs")),
            ],
        ),
        of_team(
            "never in expiry, the default of 90 days included",
            [
                minter(),
                modest().for_seconds(2 * HOUR).refused(Refusal::Broader("expire_time")),
                service()
                    .for_key(MINTER)
                    .may(&["sites:read"])
                    .pinned_to(&["site/1"])
                    .from(&["192.0.2.1"])
                    .refused(Refusal::Broader("expire_time")),
            ],
        ),
        of_team(
            "all that is broader is named at once",
            [
                minter(),
                service()
                    .for_key(MINTER)
                    .may(&["jobs:read"])
                    .refused(Refusal::Broader("grants,constraint,allowed_cidrs,expire_time")),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

/// A key of another team.
fn theirs() -> Mint {
    let theirs = key().of("ops").typed("service").for_key(MINTER);
    theirs.may(&["sites:read"]).for_seconds(HOUR)
}

#[tokio::test]
async fn the_ceiling_of_the_minting_key_counts() {
    let rows = vec![
        row(
            "a key can never exceed the role of the principal that minted it",
            [
                person("ada", "observer"),
                team("web", "service", ""),
                key().titled(MINTER).of("ada").may(&["sites:write"]).made(),
                service()
                    .for_key(MINTER)
                    .may(&["sites:write"])
                    .for_seconds(HOUR)
                    .refused(Refusal::Broader("grants")),
                service()
                    .titled("child")
                    .for_key(MINTER)
                    .may(&["sites:read"])
                    .for_seconds(HOUR)
                    .made(),
                ask(&["sites:read"]).with("child").gives(Allowed),
            ],
        ),
        of_team(
            "`*` alone cannot mint keys: it has no keys:write, and gives none",
            [
                service().titled(MINTER).may(&["*"]).made(),
                ask(&["keys:write"]).with(MINTER).gives(Lacks(&["keys:write"])),
                service()
                    .for_key(MINTER)
                    .may(&["keys:write"])
                    .for_seconds(HOUR)
                    .refused(Refusal::Broader("grants")),
            ],
        ),
        row(
            "a key bound by its team gives none to another that reaches further",
            [
                team("web", "service", "team/acme"),
                team("ops", "service", ""),
                service().titled(MINTER).may(&["sites:read"]).made(),
                theirs().refused(Refusal::Broader("constraint")),
                theirs().pinned_to(&["team/other"]).refused(Refusal::Broader("constraint")),
                theirs().pinned_to(&["team/acme/project/shop"]).made(),
                theirs().titled("own").of("web").made(),
                ask(&["sites:read"]).with("own").on("team/acme").gives(Allowed),
                ask(&["sites:read"]).with("own").on("team/other").gives(NotFound),
            ],
        ),
        row(
            "a key that does not work mints none",
            [
                person("ada", "owner"),
                team("web", "service", ""),
                service().titled("revoked").may(&["sites:read"]).made(),
                service().titled("expired").may(&["sites:read"]).for_a_moment().made(),
                key().titled("disabled").of("ada").may(&["sites:read"]).made(),
                Act::Revoke("revoked").happens(),
                Act::Disable("ada").happens(),
            ]
            .into_iter()
            .chain(["revoked", "expired", "disabled"].map(|minter| {
                let child = service().for_key(minter).may(&["sites:read"]);
                child.for_a_moment().refused(Refusal::Powerless)
            })),
        ),
    ];
    check(POLICY, rows).await;
}
