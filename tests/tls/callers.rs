//! Clients that are asked for certificates, and callers that are known by them.

use keyward::{
    config::ClientCertificates,
    proto::{self, key_admin_client::KeyAdminClient},
};

use crate::{
    authority::{Authority, Issued},
    client::{Client, ask, make, read, reason},
    place::Place,
    server::Server,
    until,
};

const CHECKOUT: &str = "spiffe://acme.example/ns/shop/sa/checkout";
const BOTH: &str = "[\"introspect\", \"workspaces:read\"]";

async fn knows_callers(place: &Place, asked: ClientCertificates) -> Server {
    Server::start(|settings| place.know_callers(settings, asked)).await
}

/// A server that knows these callers, and a workspace `acme` and one `other` on it.
async fn furnished(place: &Place, asked: ClientCertificates) -> (Server, String) {
    let server = knows_callers(place, asked).await;
    let root = format!("Bearer {}", server.root);
    let ops = place.clients.client(&["anybody.example"]);
    let channel = Client::with(&place.authority.pem, &ops).channel(server.address).await.unwrap();
    make(&channel, Some(&root), "acme").await;
    make(&channel, Some(&root), "other").await;
    (server, root)
}

#[tokio::test]
async fn where_certificates_are_required_nobody_without_a_good_one_is_served() {
    let place = Place::new();
    let server = Server::start(|settings| place.ask_clients(settings)).await;
    let trusts = &place.authority.pem;
    assert!(!Client::new(trusts).is_served(server.address).await);
    let bad: [Issued; 3] = [
        Authority::new("clients").client(&["a.example"]),
        place.clients.ended_client(&["a.example"]),
        // For servers, and by the authority of servers.
        place.authority.server(),
    ];
    for issued in &bad {
        assert!(!Client::with(trusts, issued).is_served(server.address).await);
    }
    let good = place.clients.client(&["a.example"]);
    let good = Client::with(trusts, &good);
    assert!(good.is_served(server.address).await);
    // It opens the connection, and says nothing of who calls.
    let channel = good.channel(server.address).await.unwrap();
    assert_eq!(reason(ask(&channel, None).await), "CREDENTIALS_MISSING");
    ask(&channel, Some(&format!("Bearer {}", server.root))).await.unwrap();
}

#[tokio::test]
async fn where_certificates_are_optional_a_key_is_enough_and_a_bad_certificate_is_too_much() {
    let place = Place::new();
    place.list(&[(CHECKOUT, BOTH, "")]);
    let server = knows_callers(&place, ClientCertificates::Optional).await;
    let trusts = &place.authority.pem;
    let channel = Client::new(trusts).channel(server.address).await.unwrap();
    ask(&channel, Some(&format!("Bearer {}", server.root))).await.unwrap();
    assert_eq!(reason(ask(&channel, None).await), "CREDENTIALS_MISSING");
    let stranger = Authority::new("clients").client(&[CHECKOUT]);
    assert!(!Client::with(trusts, &stranger).is_served(server.address).await);
    // Unless it is said, they are not.
    drop(server);
    let server = knows_callers(&place, ClientCertificates::default()).await;
    assert!(!Client::new(trusts).is_served(server.address).await);
}

#[tokio::test]
async fn a_caller_by_certificate_may_do_what_the_list_says_and_no_more() {
    let place = Place::new();
    place.list(&[
        (CHECKOUT, BOTH, "[\"acme\"]"),
        ("dns:ops.acme.example", "[\"workspaces:read\"]", ""),
    ]);
    let (server, _) = furnished(&place, ClientCertificates::Required).await;
    let connect = async |names: &[&str]| {
        let issued = place.clients.client(names);
        Client::with(&place.authority.pem, &issued).channel(server.address).await.unwrap()
    };
    let checkout = connect(&[CHECKOUT]).await;
    ask(&checkout, None).await.unwrap();
    read(&checkout, None, "acme").await.unwrap();
    assert_eq!(reason(read(&checkout, None, "other").await), "RESOURCE_NOT_FOUND");

    let ops = connect(&["Ops.acme.example"]).await;
    read(&ops, None, "acme").await.unwrap();
    read(&ops, None, "other").await.unwrap();
    assert_eq!(reason(ask(&ops, None).await), "CALLER_SCOPE_MISSING");

    for names in [
        &["spiffe://acme.example/ns/shop/sa/other"][..],
        &["x.ops.acme.example"],
        &["*.acme.example"],
        // Of two URIs none counts, and of one that is a SPIFFE ID no host does.
        &[CHECKOUT, "spiffe://acme.example/two"],
        &["spiffe://acme.example/two", "ops.acme.example"],
        &[],
    ] {
        let stranger = connect(names).await;
        assert_eq!(reason(ask(&stranger, None).await), "CREDENTIALS_INVALID", "{names:?}");
    }
}

#[tokio::test]
async fn a_header_is_judged_alone_whatever_the_certificate() {
    let place = Place::new();
    place.list(&[(CHECKOUT, "[\"*\"]", "")]);
    let (server, root) = furnished(&place, ClientCertificates::Required).await;
    let issued = place.clients.client(&[CHECKOUT]);
    let client = Client::with(&place.authority.pem, &issued);
    let channel = client.channel(server.address).await.unwrap();
    read(&channel, None, "acme").await.unwrap();
    let grant = proto::Grant { scope: "introspect".to_owned(), ..Default::default() };
    let key =
        proto::Key { display_name: "asks".to_owned(), grants: vec![grant], ..Default::default() };
    let mut request = tonic::Request::new(proto::CreateKeyRequest {
        parent: "workspaces/system".to_owned(),
        key: Some(key),
        ..Default::default()
    });
    request.metadata_mut().insert("authorization", root.parse().unwrap());
    let made = KeyAdminClient::new(channel.clone()).create_key(request).await.unwrap();
    let weaker = format!("Bearer {}", made.into_inner().secret);
    ask(&channel, Some(&weaker)).await.unwrap();
    assert_eq!(reason(read(&channel, Some(&weaker), "acme").await), "CALLER_SCOPE_MISSING");
    let none = read(&channel, Some("Bearer keyward_none"), "acme").await;
    assert_eq!(reason(none), "CREDENTIALS_INVALID");
    for header in ["Basic YTpi", "Bearer", ""] {
        let refused = read(&channel, Some(header), "acme").await;
        assert_eq!(reason(refused), "CREDENTIALS_MISSING", "{header:?}");
    }
}

#[tokio::test]
async fn what_a_caller_by_certificate_changes_is_told_of_by_its_identity() {
    let place = Place::new();
    place.list(&[(CHECKOUT, "[\"*\"]", "")]);
    let server = knows_callers(&place, ClientCertificates::Required).await;
    let issued = place.clients.client(&[CHECKOUT]);
    let client = Client::with(&place.authority.pem, &issued);
    let channel = client.channel(server.address).await.unwrap();
    make(&channel, None, "acme").await;
    let list = proto::ListEventsRequest { actor: CHECKOUT.to_owned(), ..Default::default() };
    let events = KeyAdminClient::new(channel).list_events(list).await.unwrap().into_inner().events;
    let subjects: Vec<&str> = events.iter().map(|event| &*event.subject).collect();
    assert!(subjects.contains(&"workspaces/acme"), "{subjects:?}");
    assert!(events.iter().all(|event| event.actor == CHECKOUT));
}

#[tokio::test]
async fn no_caller_by_certificate_makes_a_key_that_is_more_than_itself() {
    let place = Place::new();
    place.list(&[(CHECKOUT, "[\"keys:write\"]", "[\"system\"]")]);
    let server = knows_callers(&place, ClientCertificates::Required).await;
    let issued = place.clients.client(&[CHECKOUT]);
    let client = Client::with(&place.authority.pem, &issued);
    let mut admin = KeyAdminClient::new(client.channel(server.address).await.unwrap());
    let mut create = async |scope: &str, constraint: &[&str]| {
        let grant = proto::Grant { scope: scope.to_owned(), ..Default::default() };
        let key = proto::Key {
            display_name: "a key".to_owned(),
            grants: vec![grant],
            constraint: constraint.iter().map(|pattern| (*pattern).to_owned()).collect(),
            ..Default::default()
        };
        let request = proto::CreateKeyRequest {
            parent: "workspaces/system".to_owned(),
            key: Some(key),
            ..Default::default()
        };
        admin.create_key(request).await.map(|_| ())
    };
    create("keys:read", &["workspaces/system"]).await.unwrap();
    for (scope, constraint) in
        [("*", &["workspaces/system"][..]), ("keys:read", &[]), ("keys:read", &["workspaces/acme"])]
    {
        let refused = create(scope, constraint).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{scope} {constraint:?}");
    }
}

#[tokio::test]
async fn who_is_taken_off_the_list_is_nobody_at_the_next_call_of_an_open_connection() {
    let place = Place::new();
    place.list(&[(CHECKOUT, BOTH, "")]);
    let server = knows_callers(&place, ClientCertificates::Required).await;
    let issued = place.clients.client(&[CHECKOUT]);
    let client = Client::with(&place.authority.pem, &issued);
    let channel = client.channel(server.address).await.unwrap();
    ask(&channel, None).await.unwrap();
    // What cannot be meant changes nothing, and is tried again once it is something else.
    place.write("callers.toml", "[[callers]]\nidentity = 7");
    until("it is refused", async || server.counted().callers.refused >= 1).await;
    ask(&channel, None).await.unwrap();
    place.list(&[("dns:other.example", BOTH, "")]);
    until("it is read", async || server.counted().callers.applied >= 1).await;
    assert_eq!(reason(ask(&channel, None).await), "CREDENTIALS_INVALID");
    place.list(&[(CHECKOUT, "[\"workspaces:read\"]", "")]);
    until("it is read", async || server.counted().callers.applied >= 2).await;
    assert_eq!(reason(ask(&channel, None).await), "CALLER_SCOPE_MISSING");
}
