//! The fields of a key that is made: titles, grants, patterns, networks, labels.

use keyward::proto::{self, Grant, key::Expiration};
use tonic::Code;

use crate::{
    keys::{creation, explained},
    support::{Caller, Server, labels, reader, refused, strings, wrong_fields},
};

fn of_title(title: &str) -> proto::Key {
    proto::Key { display_name: title.to_owned(), ..reader() }
}

fn of_networks(networks: &[&str]) -> proto::Key {
    proto::Key { allowed_cidrs: strings(networks), ..reader() }
}

fn of_grants(pairs: &[(&str, &str)]) -> proto::Key {
    let grant = |(scope, resource): &(&str, &str)| Grant {
        scope: (*scope).to_owned(),
        resource: (*resource).to_owned(),
    };
    proto::Key { grants: pairs.iter().map(grant).collect(), ..reader() }
}

/// Makes a key and gives it as it was stored.
async fn stored(root: &mut Caller, key: proto::Key) -> proto::Key {
    let name = root.create_key("acme", "", key).await.key.unwrap().name;
    super::read(root, &name).await
}

/// The only wrong field of a key, with what is said of it.
async fn fault(root: &mut Caller, key: proto::Key) -> (String, String) {
    let shown = format!("{key:?}").chars().take(300).collect::<String>();
    let mut faults = explained(root.admin.create_key(creation(key)).await);
    assert_eq!(faults.len(), 1, "{shown}: {faults:?}");
    faults.remove(0)
}

#[tokio::test]
async fn titles_are_trimmed_composed_and_free_of_what_misleads() {
    let (_server, mut root) = Server::with_workspaces().await;
    let hundred = "é".repeat(100);
    for (sent, kept) in [
        ("  ci  ", "ci"),
        ("cafe\u{301}", "caf\u{e9}"),
        ("日本 ci 🙂", "日本 ci 🙂"),
        (&*hundred, &*hundred),
        (&*"e\u{301}".repeat(100), &*hundred),
    ] {
        assert_eq!(stored(&mut root, of_title(sent)).await.display_name, kept);
    }
    let head = root.head().await;
    let (longer, megabyte) = ("é".repeat(101), "x".repeat(1 << 20));
    let wrong = [
        "",
        "   ",
        "\t\n",
        "a\u{0}b",
        "a\nb",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200f}b",
        "a\u{feff}b",
        &longer,
        &megabyte,
    ];
    for title in wrong {
        let (field, description) = fault(&mut root, of_title(title)).await;
        assert_eq!(field, "key.display_name");
        assert!(description.len() < 200, "{} bytes", description.len());
    }
    let (_, description) = fault(&mut root, of_title("a\u{202e}b")).await;
    assert!(description.contains("U+202E at position 1"), "{description}");
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn an_unknown_scope_is_refused_with_the_nearest_that_there_is() {
    let (_server, mut root) = Server::with_workspaces().await;
    let (field, description) = fault(&mut root, of_grants(&[("site:read", "")])).await;
    assert_eq!(field, "key.grants[0].scope");
    assert!(description.contains("did you mean \"sites:read\"?"), "{description}");
    let head = root.head().await;
    let faults = explained(
        root.admin
            .create_key(creation(of_grants(&[
                ("sites:read", ""),
                ("", ""),
                ("SITES:READ", ""),
                ("sites:read ", ""),
                ("sites:*", ""),
            ])))
            .await,
    );
    let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
    let expected = [1, 2, 3, 4].map(|place| format!("key.grants[{place}].scope"));
    assert_eq!(fields, expected);
    let (_, description) = fault(&mut root, of_grants(&[(&"x".repeat(1 << 20), "")])).await;
    assert!(description.len() < 300, "{} bytes", description.len());
    assert_eq!(root.head().await, head);
}

#[tokio::test]
async fn the_same_grant_twice_is_stored_once() {
    let (_server, mut root) = Server::with_workspaces().await;
    let key = of_grants(&[
        ("sites:read", ""),
        ("sites:read", "sites/1"),
        ("sites:read", ""),
        ("jobs:read", ""),
        ("sites:read", "sites/1"),
        ("sites:read", "sites/2"),
    ]);
    let expected = of_grants(&[
        ("sites:read", ""),
        ("sites:read", "sites/1"),
        ("jobs:read", ""),
        ("sites:read", "sites/2"),
    ]);
    assert_eq!(stored(&mut root, key).await.grants, expected.grants);
}

#[tokio::test]
async fn one_to_a_thousand_grants_are_taken() {
    let (_server, mut root) = Server::with_workspaces().await;
    let many = |count: usize| {
        let resources: Vec<String> = (0..count).map(|number| format!("sites/{number}")).collect();
        let pairs: Vec<_> = resources.iter().map(|text| ("sites:read", text.as_str())).collect();
        of_grants(&pairs)
    };
    assert_eq!(stored(&mut root, many(1_000)).await.grants.len(), 1_000);
    for count in [0, 1_001, 10_000] {
        assert_eq!(fault(&mut root, many(count)).await.0, "key.grants", "{count}");
    }
    // As many wrong ones as there may be: as far as they fit, and how many more.
    let wrong = of_grants(&[("nothing:like:it", ""); 1_000]);
    let fields = wrong_fields(root.admin.create_key(creation(wrong)).await);
    assert_eq!(fields.first().map(String::as_str), Some("key.grants[0].scope"));
    assert_eq!(fields.last().map(String::as_str), Some(""));
    assert!(fields.len() < 200, "{}", fields.len());
}

#[tokio::test]
async fn patterns_are_read_as_the_policy_writes_resources() {
    let (_server, mut root) = Server::with_workspaces().await;
    let long = "x".repeat(1_025);
    let deep = vec!["x"; 33].join("/");
    let wrong = ["sites//x", "sites/", "si*es", "**", "sites/**/x", "sites/\n", &*long, &*deep];
    for text in wrong {
        let (field, _) =
            fault(&mut root, of_grants(&[("jobs:read", ""), ("sites:read", text)])).await;
        assert_eq!(field, "key.grants[1].resource", "{text:?}");
        let constraint = strings(&["sites/1", text]);
        let (field, _) = fault(&mut root, proto::Key { constraint, ..reader() }).await;
        assert_eq!(field, "key.constraint[1]", "{text:?}");
    }
    let empty = proto::Key { constraint: strings(&[""]), ..reader() };
    assert_eq!(fault(&mut root, empty).await.0, "key.constraint[0]");
    let constraint = vec!["sites/1".to_owned(); 101];
    let (field, _) = fault(&mut root, proto::Key { constraint, ..reader() }).await;
    assert_eq!(field, "key.constraint");
    let constraint = strings(&["*", "/", "/sites/*", "sites/**", "sites/1"]);
    let key = proto::Key { constraint: constraint.clone(), ..reader() };
    assert_eq!(stored(&mut root, key).await.constraint, constraint);
}

#[tokio::test]
async fn networks_have_one_spelling() {
    let (_server, mut root) = Server::with_workspaces().await;
    let networks = ["192.0.2.7", "2001:db8::7", "10.0.0.0/8", "2001:db8::/32", "10.0.0.0/8"];
    assert_eq!(
        stored(&mut root, of_networks(&networks)).await.allowed_cidrs,
        ["192.0.2.7/32", "2001:db8::7/128", "10.0.0.0/8", "2001:db8::/32"]
    );
    assert_eq!(stored(&mut root, of_networks(&["*"])).await.allowed_cidrs, ["0.0.0.0/0", "::/0"]);
    let head = root.head().await;
    for (wrong, hint) in [
        ("192.0.2.1/24", "write 192.0.2.0/24 or 192.0.2.1/32"),
        ("2001:db8::1/32", "host bits"),
        ("::ffff:1.2.3.4", "write 1.2.3.4/32"),
        ("::ffff:1.2.3.0/120", "write 1.2.3.0/24"),
        ("010.0.0.1", "leading zero"),
        ("10.0.0.01/32", "leading zero"),
        ("0.0.0.0/00", "leading zero"),
        ("10.0.0.0/08", "leading zero"),
        ("10.0.0.0/33", "at most 32"),
        ("::/129", "at most 128"),
        ("10.0.0.0/", "decimal"),
        ("10.0.0.0/-1", "decimal"),
        ("10.0.0.0/+8", "decimal"),
        ("10.0.0.0/8/8", "decimal"),
        ("fe80::1%eth0", "zone"),
        ("fe80::%eth0/64", "zone"),
        ("", "empty"),
        (" 10.0.0.1", "whitespace"),
        ("10.1", "not an IPv4"),
        ("0x0a000001", "not an IPv4"),
        ("**", "not an IPv4"),
        ("*/0", "not an IPv4"),
        ("localhost", "not an IPv4"),
        ("[::1]", "not an IPv4"),
    ] {
        let (field, description) = fault(&mut root, of_networks(&["10.0.0.1", wrong])).await;
        assert_eq!(field, "key.allowed_cidrs[1]", "{wrong:?}");
        assert!(description.contains(hint), "{wrong:?}: {description}");
    }
    let many = |count: u32| {
        let networks = (0..count).map(|number| std::net::Ipv4Addr::from(number).to_string());
        proto::Key { allowed_cidrs: networks.collect(), ..reader() }
    };
    assert_eq!(fault(&mut root, many(1_001)).await.0, "key.allowed_cidrs");
    assert_eq!(root.head().await, head);
    assert_eq!(stored(&mut root, many(1_000)).await.allowed_cidrs.len(), 1_000);
}

#[tokio::test]
async fn a_wildcard_counts_as_the_two_networks_that_it_is_stored_as() {
    let (_server, mut root) = Server::with_workspaces().await;
    let with_wildcard = |count: u32| {
        let networks = (0..count).map(|number| std::net::Ipv4Addr::from(number).to_string());
        let allowed_cidrs = networks.chain(["*".to_owned()]).collect();
        proto::Key { allowed_cidrs, ..reader() }
    };
    assert_eq!(fault(&mut root, with_wildcard(999)).await.0, "key.allowed_cidrs");
    // So that every key can be put back as it was read.
    let key = stored(&mut root, with_wildcard(998)).await;
    assert_eq!(key.allowed_cidrs.len(), 1_000);
    let update_mask = Some(prost_types::FieldMask { paths: strings(&["*"]) });
    let same = proto::UpdateKeyRequest {
        key: Some(key.clone()),
        update_mask,
        ..proto::UpdateKeyRequest::default()
    };
    assert_eq!(root.admin.update_key(same).await.unwrap().into_inner().key, Some(key));
}

#[tokio::test]
async fn labels_are_bounded_in_number_length_and_characters() {
    let (_server, mut root) = Server::with_workspaces().await;
    let (key_63, value_255) = ("k".repeat(63), "v".repeat(255));
    let fits = labels(&[(&key_63, &value_255), ("a", ""), ("0._/-", "Ünï \u{1f642}")]);
    let key = proto::Key { labels: fits.clone(), ..reader() };
    assert_eq!(stored(&mut root, key).await.labels, fits);
    let many = |count: usize| {
        let labels = (0..count).map(|number| (format!("l{number}"), String::new())).collect();
        proto::Key { labels, ..reader() }
    };
    assert_eq!(stored(&mut root, many(64)).await.labels.len(), 64);
    assert_eq!(fault(&mut root, many(65)).await.0, "key.labels");
    let (key_64, value_256) = ("k".repeat(64), "v".repeat(256));
    for (key, value) in [
        ("", "x"),
        ("Team", "x"),
        ("a b", "x"),
        ("é", "x"),
        (&*key_64, "x"),
        ("a", &*value_256),
        ("a", "b\nc"),
    ] {
        let wrong = proto::Key { labels: labels(&[(key, value)]), ..reader() };
        let (field, _) = fault(&mut root, wrong).await;
        // A run as long as a secret's random part is cut, lest it be one.
        let shown = if key == key_64 { "kkkkkkkk…" } else { key };
        assert_eq!(field, format!("key.labels[{shown:?}]"));
    }
}

#[tokio::test]
async fn what_the_server_alone_says_is_not_taken_from_the_request() {
    let (_server, mut root) = Server::with_workspaces().await;
    let sent = proto::Key {
        name: "workspaces/other/keys/mine".into(),
        state: proto::KeyState::Revoked.into(),
        etag: "r1".into(),
        revision: 77,
        create_time: Some(prost_types::Timestamp::default()),
        update_time: Some(prost_types::Timestamp::default()),
        revoke_time: Some(prost_types::Timestamp::default()),
        last_used_time: Some(prost_types::Timestamp::default()),
        last_used_address: "192.0.2.1".into(),
        secrets: vec![proto::KeySecret::default(); 2],
        ..reader()
    };
    let made = root.create_key("acme", "ci", sent).await.key.unwrap();
    let plain = proto::Key {
        name: "workspaces/acme/keys/ci".into(),
        r#type: "live".into(),
        state: proto::KeyState::Active.into(),
        etag: made.etag.clone(),
        revision: root.head().await,
        create_time: made.create_time,
        update_time: made.create_time,
        secrets: vec![proto::KeySecret { create_time: made.create_time, ..Default::default() }],
        expiration: Some(Expiration::NeverExpires(true)),
        ..reader()
    };
    assert_eq!(made, plain);
    assert_ne!(made.create_time, Some(prost_types::Timestamp::default()));
    let lost = proto::GetKeyRequest { name: "workspaces/other/keys/mine".into() };
    refused(root.admin.get_key(lost).await, Code::NotFound, "RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a_record_is_bounded_as_a_whole() {
    let (_server, mut root) = Server::with_workspaces().await;
    let of = |count: usize| {
        let resource = |number: usize| format!("{number}-{}", "r".repeat(900));
        let grants = (0..count)
            .map(|number| proto::Grant { scope: "sites:read".into(), resource: resource(number) });
        proto::Key { grants: grants.collect(), ..reader() }
    };
    assert_eq!(stored(&mut root, of(100)).await.grants.len(), 100);
    assert_eq!(fault(&mut root, of(200)).await.0, "key");
}
