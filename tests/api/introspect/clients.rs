//! The client's address.

use keyward::proto::{self, DenyReason, IntrospectRequest};

use super::{answer, question};
use crate::support::{Caller, Server, reader, strings, wrong_fields};

async fn reason(root: &mut Caller, secret: &str, client_ip: &str) -> DenyReason {
    let asked =
        IntrospectRequest { client_ip: client_ip.to_owned(), ..question(secret, &["sites:read"]) };
    answer(root, asked).await.reason()
}

async fn check(cidrs: &[&str], inside: &[&str], outside: &[&str]) {
    let (_server, mut root) = Server::with_workspaces().await;
    let key = proto::Key { allowed_cidrs: strings(cidrs), ..reader() };
    let secret = root.create_key("acme", "", key).await.secret;
    for client in inside {
        let reason = reason(&mut root, &secret, client).await;
        assert_eq!(reason, DenyReason::Unspecified, "{client:?} in {cidrs:?}");
    }
    for client in outside {
        let reason = reason(&mut root, &secret, client).await;
        assert_eq!(reason, DenyReason::IpNotAllowed, "{client:?} in {cidrs:?}");
    }
}

#[tokio::test]
async fn a_key_without_networks_is_used_from_anywhere() {
    check(&[], &["", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"], &[]).await;
}

#[tokio::test]
async fn a_key_with_networks_is_used_from_them_alone_and_never_from_an_unknown_address() {
    check(
        &["192.0.2.0/24", "198.51.100.7"],
        &["192.0.2.0", "192.0.2.255", "198.51.100.7"],
        &["", "192.0.1.255", "192.0.3.0", "198.51.100.6", "198.51.100.8", "::1"],
    )
    .await;
}

#[tokio::test]
async fn a_mapped_address_is_the_ipv4_address_that_it_is() {
    check(
        &["192.0.2.0/24"],
        &["::ffff:192.0.2.1", "::ffff:c000:201", "::FFFF:192.0.2.1", "0:0:0:0:0:ffff:c000:0201"],
        &["::ffff:192.0.3.1", "::192.0.2.1", "64:ff9b::192.0.2.1"],
    )
    .await;
}

#[tokio::test]
async fn the_families_are_independent() {
    check(&["0.0.0.0/0"], &["192.0.2.1", "::ffff:192.0.2.1"], &["", "2001:db8::1", "::"]).await;
    check(&["::/0"], &["2001:db8::1", "::"], &["", "192.0.2.1", "::ffff:192.0.2.1"]).await;
    check(&["*"], &["2001:db8::1", "192.0.2.1"], &[""]).await;
}

#[tokio::test]
async fn what_is_no_address_is_refused_whether_or_not_the_key_has_networks() {
    let (_server, mut root) = Server::with_workspaces().await;
    let networked = proto::Key { allowed_cidrs: strings(&["*"]), ..reader() };
    let secrets = [
        root.create_key("acme", "", reader()).await.secret,
        root.create_key("acme", "", networked).await.secret,
        "x".to_owned(),
    ];
    for secret in &secrets {
        for client in [
            "localhost",
            "192.0.2",
            "192.0.2.1.1",
            "192.0.2.256",
            "192.0.2.01",
            "0xc0.0.2.1",
            "3221225985",
            "192.0.2.1/32",
            "192.0.2.1:80",
            " 192.0.2.1",
            "192.0.2.1 ",
            "[::1]",
            "fe80::1%eth0",
            "fe80::1%",
            "::1%1",
            ":::",
            "1::2::3",
            "::ffff:192.0.2.01",
            "*",
            "\0",
            "192.0.2.1, 198.51.100.1",
            "unknown",
        ] {
            let bad = IntrospectRequest { client_ip: client.to_owned(), ..question(secret, &[]) };
            let wrong = wrong_fields(root.introspect.introspect(bad).await);
            assert_eq!(wrong, ["client_ip"], "{client:?}");
        }
    }
}
