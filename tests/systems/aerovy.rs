//! Aerovy: actions with resource filters, networks, and keys that may live for ever.

mod keys;

use keyward::proto::WarningCode;

use crate::scenario::{
    Refusal, Row, Told,
    Verdict::{Address, Allowed, Lacks, Outside},
    ask, check, each, key, row,
};

const POLICY: &str = "aerovy";

const WILDCARD: Told = (WarningCode::WildcardCidr, "key.allowed_cidrs");
const NO_EXPIRY: Told = (WarningCode::NoExpiry, "key.expire_time");
const ADMIN_LIKE: Told = (WarningCode::AdminLikeScope, "key.grants[0].scope");

const ACTIONS: [&[&str]; 3] = [&["read"], &["write"], &["admin"]];

/// A row about a key with one action on everything: each of the three is asked for.
fn action(says: &'static str, held: &'static str, allowed: [bool; 3]) -> Row {
    let asks = ACTIONS
        .into_iter()
        .zip(allowed)
        .map(|(action, allowed)| ask(action).gives(if allowed { Allowed } else { Lacks(action) }));
    row(says, [key().may(&[held]).made()].into_iter().chain(asks))
}

#[tokio::test]
async fn actions() {
    let rows = vec![
        action("read: Read access", "read", [true, false, false]),
        action("write: Create, update, delete", "write", [false, true, false]),
        action("admin: Administrative actions", "admin", [false, false, true]),
        action("*: Any action", "*", [true, true, true]),
        row(
            "`*` ⇒ any action; nothing else",
            [
                key().may(&["write", "admin"]).made(),
                ask(&["write", "admin"]).gives(Allowed),
                ask(&["read", "write"]).gives(Lacks(&["read"])),
                ask(&["*"]).gives(Lacks(&["*"])),
            ],
        ),
        row(
            "One or more action + resource filter pairs",
            [
                key().refused(Refusal::Field("key.grants", "at least one")),
                key().may_on("read", "PLACE/#/#").may_on("write", "MONITOR/7").made(),
                ask(&["read"]).on("PLACE/Site/7").gives(Allowed),
                ask(&["write"]).on("MONITOR/7").gives(Allowed),
                ask(&["write"]).on("PLACE/Site/7").gives(Lacks(&["write"])),
                ask(&["read"]).on("MONITOR/7").gives(Lacks(&["read"])),
            ],
        ),
        row(
            "Each scope is an action: another is none",
            [key().may(&["delete"]).refused(Refusal::Field("key.grants[0].scope", "no scope"))],
        ),
        row(
            "presets: none",
            [key().may(&["read"]).preset("read-only").refused(Refusal::Field("presets[0]", ""))],
        ),
    ];
    check(POLICY, rows).await;
}

/// A row about a key that has one action on one filter: where it reaches and where not.
fn filter(
    says: &'static str,
    pattern: &str,
    inside: &'static [&'static str],
    outside: &'static [&'static str],
) -> Row {
    let steps = [key().may_on("write", pattern).made()].into_iter();
    let steps = steps.chain(each(&["write"], inside, Allowed));
    row(says, steps.chain(each(&["write"], outside, Lacks(&["write"]))))
}

#[tokio::test]
async fn filters() {
    let rows = vec![
        filter(
            "`write` on PLACE/Site/<id>/THING/#/# reaches every Thing of that site and nothing \
             else (not the site itself, not another site's Things)",
            "PLACE/Site/7/THING/#/#",
            &["PLACE/Site/7/THING/pump/1", "PLACE/Site/7/THING/fan/2"],
            &[
                "PLACE/Site/7",
                "PLACE/Site/8/THING/pump/1",
                "PLACE/Site/77/THING/pump/1",
                "PLACE/Fleet/7/THING/pump/1",
                "PLACE/Site/7/THING/pump",
                "PLACE/Site/7/THING/pump/1/MONITOR/3",
                "PLACE/Site/7/MONITOR/3",
                "THING/pump/1",
                "place/site/7/thing/pump/1",
                "",
            ],
        ),
        row(
            "The resource filter limits which resources the action applies to: another \
             action is missing on them too",
            [
                key().may_on("write", "PLACE/Site/7/THING/#/#").made(),
                ask(&["read"]).on("PLACE/Site/7/THING/pump/1").gives(Lacks(&["read"])),
                ask(&["admin"]).on("PLACE/Site/7/THING/pump/1").gives(Lacks(&["admin"])),
                ask(&["write", "admin"]).on("MONITOR/1").gives(Lacks(&["write", "admin"])),
            ],
        ),
        row(
            "The action `*` on a filter is any action there and none elsewhere",
            [
                key().may_on("*", "PLACE/Fleet/#").made(),
                ask(&["read", "write", "admin"]).on("PLACE/Fleet/2").gives(Allowed),
                ask(&["read"]).on("PLACE/Site/2").gives(Lacks(&["read"])),
            ],
        ),
        filter(
            "`#` matches any one segment",
            "INTEGRATION/#/http/#",
            &["INTEGRATION/INGRESS/http/1", "INTEGRATION/EGRESS/http/2"],
            &["INTEGRATION/INGRESS/mqtt/1", "INTEGRATION/INGRESS/http", "INTEGRATION/http/1"],
        ),
        filter(
            "Clear it to mean all resources (*)",
            "",
            &["", "PLACE/Site/7", "TENANT", "COMMERCE", "SIMULATION/1"],
            &[],
        ),
        filter("filter `*`", "*", &["", "PLACE/Site/7/THING/pump/1", "TENANT"], &[]),
        row(
            "`*` is for the whole filter, `#` for a segment",
            [
                key()
                    .may_on("read", "PLACE/Site/*")
                    .refused(Refusal::Field("key.grants[0].resource", "`#`")),
                key()
                    .may_on("read", "PLACE/Site/7#")
                    .refused(Refusal::Field("key.grants[0].resource", "of its own")),
            ],
        ),
        row(
            "outside the filter: 403, also of what is not there",
            [
                key().may_on("read", "PLACE/Site/7").made(),
                ask(&["read"]).on("PLACE/Site/8").gives(Lacks(&["read"])),
                ask(&["read"]).on("no/such/thing").gives(Lacks(&["read"])),
            ],
        ),
        row(
            "outside the constraint: 403, too; nothing is hidden",
            [
                key().may(&["read"]).pinned_to(&["PLACE/Site/7"]).made(),
                ask(&["read"]).on("PLACE/Site/7/THING/pump/1").gives(Allowed),
                ask(&["write"]).on("PLACE/Site/7").gives(Lacks(&["write"])),
                ask(&["read"]).on("PLACE/Site/77").gives(Outside),
                ask(&["read"]).on("no/such/thing").gives(Outside),
            ],
        ),
    ];
    check(POLICY, rows).await;
}

/// One type of resource: a filter on it, and that the type is no other's.
fn type_row(says: &'static str, resource: &'static str) -> Row {
    let mut steps = vec![key().may_on("write", resource).made()];
    steps.push(ask(&["write"]).on(resource).gives(Allowed));
    steps.push(ask(&["write"]).on("PLACE/Site/other").gives(Lacks(&["write"])));
    row(says, steps)
}

/// A filter that is refused when the key is made, and what is said of it.
fn no_filter(says: &'static str, pattern: &str, said: &'static str) -> Row {
    let refusal = Refusal::Field("key.grants[0].resource", said);
    row(says, [key().may_on("read", pattern).refused(refusal)])
}

#[tokio::test]
async fn types_of_resource() {
    let rows = vec![
        type_row("PLACE/{placeType}/{placeId}", "PLACE/Site/7"),
        type_row("placeType ∈ {Site, Fleet}", "PLACE/Fleet/7"),
        type_row("THING/{thingType}/{thingId}", "THING/pump/1"),
        type_row("TRANSACTION/{transactionType}/{transactionId}", "TRANSACTION/sale/9"),
        type_row("MONITOR/{monitorId}", "MONITOR/3"),
        type_row("INTEGRATION/{direction}/{type}/{integrationId}", "INTEGRATION/INGRESS/http/1"),
        type_row("direction ∈ {INGRESS, EGRESS}", "INTEGRATION/EGRESS/http/1"),
        type_row("SIMULATION/{simulationId}", "SIMULATION/4"),
        type_row("DEFINITION/{definitionType}/{definitionId}", "DEFINITION/Metric/5"),
        type_row("definitionType: ThingType", "DEFINITION/ThingType/5"),
        type_row("definitionType: ThingTypeVersion", "DEFINITION/ThingTypeVersion/5"),
        type_row("COMMERCE", "COMMERCE"),
        type_row("ORGANIZATION/{orgId}", "ORGANIZATION/acme"),
        type_row("TENANT", "TENANT"),
        no_filter(
            "an unknown placeType is rejected when the key is made",
            "PLACE/Town/7",
            "\"Town\" is no placeType of a PLACE; there are: Site, Fleet",
        ),
        no_filter("also beneath another type", "THING/pump/1/PLACE/site/7", "Site, Fleet"),
        no_filter(
            "an unknown definitionType is rejected when the key is made",
            "DEFINITION/Kind/5",
            "there are: Metric, ThingType, ThingTypeVersion",
        ),
        no_filter(
            "an unknown direction is rejected when the key is made",
            "INTEGRATION/ingress/http/1",
            "there are: INGRESS, EGRESS",
        ),
        no_filter(
            "TYPE/segment/…: an unknown type",
            "SITE/7",
            "there are: PLACE, THING, TRANSACTION, MONITOR, INTEGRATION, SIMULATION, \
             DEFINITION, COMMERCE, ORGANIZATION, TENANT",
        ),
        no_filter("TYPE/segment/…: no type may be a wildcard", "#/Site/7", "no type of resource"),
        no_filter(
            "TYPE/segment/…: all segments of a type",
            "INTEGRATION/INGRESS/http",
            "INTEGRATION/{direction}/{type}/{integrationId}",
        ),
        no_filter("TYPE/segment/…/TYPE/segment/…", "PLACE/Site/7/8", "\"8\" is no type"),
    ];
    check(POLICY, rows).await;
}

#[tokio::test]
async fn networks() {
    let reader = || key().may(&["read"]).for_seconds(3_600);
    let from = |client: &'static str, verdict| ask(&["read"]).from(client).gives(verdict);
    let wrong = |says, cidr: &'static str, said| {
        row(says, [reader().from(&[cidr]).refused(Refusal::Field("key.allowed_cidrs[0]", said))])
    };
    let (v4, v6) = ("192.0.2.9", "2001:db8::9");
    let rows = vec![
        row(
            "Defaults to allow-all; empty = all",
            [reader().warns(&[]).made(), from(v4, Allowed), from(v6, Allowed), from("", Allowed)],
        ),
        row(
            "allow-all (0.0.0.0/0 and ::/0); a wildcard range is accepted with a warning",
            [
                reader().from(&["0.0.0.0/0", "::/0"]).warns(&[WILDCARD, WILDCARD]).made(),
                from(v4, Allowed),
                from(v6, Allowed),
                from("", Address),
            ],
        ),
        row(
            "`*` is both wildcard ranges",
            [
                reader().from(&["*"]).warns(&[WILDCARD, WILDCARD]).made(),
                from(v4, Allowed),
                from(v6, Allowed),
            ],
        ),
        row(
            "Restrict a key to specific networks with CIDR ranges; outside: 403",
            [
                reader().from(&["192.0.2.0/28", "2001:db8::/32"]).warns(&[]).made(),
                from(v4, Allowed),
                from("::ffff:192.0.2.9", Allowed),
                from("192.0.2.16", Address),
                from(v6, Allowed),
                from("2001:db9::9", Address),
                from("", Address),
            ],
        ),
        row(
            "IPv4 and IPv6 rules are matched independently: an IPv4 rule admits no IPv6",
            [reader().from(&["192.0.2.0/24"]).made(), from(v4, Allowed), from(v6, Address)],
        ),
        row(
            "IPv4 and IPv6 rules are matched independently: an IPv6 rule admits no IPv4",
            [reader().from(&["2001:db8::/32"]).made(), from(v6, Allowed), from(v4, Address)],
        ),
        row(
            "0.0.0.0/0 accepts all addresses of that version, with a warning",
            [
                reader().from(&["0.0.0.0/0", "2001:db8::1"]).warns(&[WILDCARD]).made(),
                from("255.1.2.3", Allowed),
                from("2001:db8::1", Allowed),
                from(v6, Address),
            ],
        ),
        row(
            "::/0 accepts all addresses of that version, with a warning",
            [
                reader().from(&["192.0.2.1", "::/0"]).warns(&[WILDCARD]).made(),
                from(v6, Allowed),
                from("192.0.2.1", Allowed),
                from(v4, Address),
            ],
        ),
        row(
            "bare address",
            [
                reader().from(&[v4, v6]).warns(&[]).made(),
                from(v4, Allowed),
                from(v6, Allowed),
                from("192.0.2.10", Address),
                from("2001:db8::a", Address),
            ],
        ),
        wrong("CIDR: a length beyond the address is none", "192.0.2.0/33", "at most 32"),
        wrong("CIDR: bits beyond the length are none", "192.0.2.9/24", "192.0.2.0/24"),
        wrong("CIDR: a name is none", "office", "not an IPv4 address"),
    ];
    check(POLICY, rows).await;
}
