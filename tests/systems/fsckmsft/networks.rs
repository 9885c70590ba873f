//! IP allow-lists.

use keyward::proto::DenyReason;

use super::SYSTEM;
use crate::scenario::{Act, Refusal, Row, Step, Verdict, ask, check, key, row};

fn key_from(cidrs: &[&str]) -> Step {
    key().may(&["read:tasks"]).from(cidrs).made()
}

/// Requests from each of these addresses are answered alike.
fn from(addresses: &[&'static str], verdict: Verdict) -> impl Iterator<Item = Step> {
    addresses.iter().map(move |address| ask(&["read:tasks"]).from(address).gives(verdict))
}

/// A key with this list is good from the one addresses and from none of the others.
fn list(
    says: &'static str,
    cidrs: &[&str],
    inside: &[&'static str],
    outside: &[&'static str],
) -> Row {
    let asked = from(inside, Verdict::Allowed).chain(from(outside, Verdict::Address));
    row(says, std::iter::once(key_from(cidrs)).chain(asked))
}

fn ranges() -> Vec<Row> {
    vec![
        list(
            "enter CIDR ranges (e.g., 203.0.113.0/24). Requests outside are rejected with 403",
            &["203.0.113.0/24"],
            &["203.0.113.0", "203.0.113.42", "203.0.113.255", "::ffff:203.0.113.42"],
            &["203.0.112.255", "203.0.114.0", "20.30.11.3", "::ffff:203.0.114.0", "2001:db8::1"],
        ),
        list(
            "203.0.113.42/32 for a single address",
            &["203.0.113.42/32"],
            &["203.0.113.42"],
            &["203.0.113.41", "203.0.113.43", "2001:db8::cb00:712a"],
        ),
        list(
            "10.0.0.0/8 for a private range",
            &["10.0.0.0/8"],
            &["10.0.0.0", "10.255.255.255"],
            &["9.255.255.255", "11.0.0.0", "192.168.0.1"],
        ),
        list(
            "A single IPv6 CIDR block",
            &["2001:db8:7::/48"],
            &["2001:db8:7::", "2001:db8:7:ffff:ffff:ffff:ffff:ffff"],
            &["2001:db8:6:ffff::", "2001:db8:8::", "203.0.113.42", "::1"],
        ),
        list(
            "enter one or more CIDR ranges",
            &["203.0.113.42/32", "198.51.100.0/25", "2001:db8::1/128"],
            &["203.0.113.42", "198.51.100.127", "2001:db8::1"],
            &["203.0.113.43", "198.51.100.128", "2001:db8::2"],
        ),
        list(
            "Leave the field empty to allow all IPs.",
            &[],
            &["203.0.113.42", "10.0.0.1", "255.255.255.255", "::", "2001:db8::1", ""],
            &[],
        ),
        list(
            "restrict which network origins can authenticate: one that is not known is none",
            &["203.0.113.0/24"],
            &[],
            &[""],
        ),
    ]
}

#[tokio::test]
async fn a_key_with_a_list_is_good_from_its_networks_alone() {
    check(SYSTEM, ranges()).await;
}

fn rules() -> Vec<Row> {
    let entry = |text: &str, said| {
        key()
            .may(&["read:tasks"])
            .from(&["10.0.0.0/8", text])
            .refused(Refusal::Field("key.allowed_cidrs[1]", said))
    };
    vec![
        row(
            "even if the key value leaks, an attacker can only use it from an approved address",
            [
                key().may(&["admin"]).from(&["203.0.113.42/32"]).made(),
                ask(&["admin"]).from("203.0.113.42").gives(Verdict::Allowed),
                ask(&["admin"]).from("198.51.100.1").gives(Verdict::Address),
                ask(&[]).from("198.51.100.1").gives(Verdict::Address),
            ],
        ),
        row(
            "outside → 403, and no more is said: not which scope is missing",
            [
                key_from(&["203.0.113.0/24"]),
                ask(&["admin"]).from("198.51.100.1").gives(Verdict::Address),
                ask(&["admin"]).from("203.0.113.1").gives(Verdict::Lacks(&["admin"])),
            ],
        ),
        row(
            "401 before 403: a revoked key is revoked wherever it is used",
            [
                key_from(&["203.0.113.0/24"]),
                Act::Revoke("").happens(),
                ask(&[]).from("198.51.100.1").gives(Verdict::Dead(DenyReason::Revoked)),
            ],
        ),
        row(
            "A single IPv4 or IPv6 CIDR block: anything else is no entry",
            [
                entry("203.0.113.42/24", "write 203.0.113.0/24"),
                entry("203.0.113.0/33", "at most 32"),
                entry("2001:db8::/129", "at most 128"),
                entry("203.0.113.0-203.0.113.255", "not an IPv4 address"),
                entry("203.0.113.0/24, 10.0.0.0/8", "whitespace"),
                entry("office.example.com", "not an IPv4 address"),
                entry("", "empty"),
            ],
        ),
    ]
}

#[tokio::test]
async fn a_list_is_a_second_factor_and_no_more() {
    check(SYSTEM, rules()).await;
}
