//! Authorities and callers that are taken back while connections are open and changes are made.

use std::sync::Arc;

use keyward::{
    admin::{
        AdminError, BatchCreateKeys, CreateKey, CreateResource, GrantDraft, Intent, KeyDraft,
        PolicyDraft, WorkspaceDraft,
    },
    app::App,
    back::Back,
    callers::InForce,
    clock::SystemClock,
    config::{ClientCertificates, Settings},
    domain::{
        caller::Caller,
        identity::Presented,
        key::Expiration,
        policy::{KeyType, Policy, Scope},
        time::Timestamp,
    },
};

use crate::{
    LONG,
    authority::Authority,
    client::{Client, ask, reason, serves},
    place::Place,
    server::Server,
    streams::Questions,
    until,
};

#[tokio::test]
async fn other_authorities_of_clients_count_for_new_connections() {
    let place = Place::new();
    let server = Server::start(|settings| place.ask_clients(settings)).await;
    let (older, newer) = (place.clients.client(&["a.example"]), Authority::new("newer"));
    let newer_client = newer.client(&["a.example"]);
    let [older, newer_client] =
        [&older, &newer_client].map(|issued| Client::with(&place.authority.pem, issued));
    assert!(!newer_client.is_served(server.address).await);
    place.write("ca.crt", "");
    until("it is refused", async || server.counted().client_ca.refused >= 1).await;
    assert!(older.is_served(server.address).await);
    place.write("ca.crt", &newer.pem);
    until("it is read", async || server.counted().client_ca.applied >= 1).await;
    assert!(newer_client.is_served(server.address).await);
    assert!(!older.is_served(server.address).await);
}

#[tokio::test]
async fn whose_authority_is_gone_is_nobody_at_once_and_its_connection_ends() {
    let place = Place::new();
    place.list(&[("dns:ops.acme.example", "[\"*\"]", "")]);
    let required = ClientCertificates::Required;
    let server = Server::start(|settings| place.know_callers(settings, required)).await;
    let newer = Authority::new("newer");
    let issued = [&place.clients, &newer].map(|by| by.client(&["ops.acme.example"]));
    let [older, stays] =
        [&issued[0], &issued[1]].map(|one| Client::with(&place.authority.pem, one));
    let open = older.channel(server.address).await.unwrap();
    ask(&open, None).await.unwrap();
    // Beside others it is as good as before: a bundle that grows ends nothing.
    place.write("ca.crt", &format!("{}{}", newer.pem, place.clients.pem));
    until("it is read", async || server.counted().client_ca.applied >= 1).await;
    ask(&open, None).await.unwrap();
    let kept = stays.channel(server.address).await.unwrap();
    ask(&kept, None).await.unwrap();
    let mut stream = Questions::open(&open).await;
    stream.ask().await.unwrap();

    place.write("ca.crt", &newer.pem);
    until("it is read", async || server.counted().client_ca.applied >= 2).await;
    // Whether or not it has heard of the end: it is nobody, or not connected any more.
    let refused = ask(&open, None).await.unwrap_err();
    assert!(
        matches!(refused.code(), tonic::Code::Unavailable | tonic::Code::Cancelled)
            || reason(Err(refused.clone())) == "CREDENTIALS_INVALID",
        "{refused:?}"
    );
    stream.end().await;
    until("the connection is closed", async || !serves(open.clone()).await).await;
    ask(&kept, None).await.unwrap();
    assert!(serves(kept).await);
}

#[tokio::test]
async fn who_lost_an_authority_is_nobody_also_while_an_old_connection_ends() {
    let place = Place::new();
    place.list(&[("dns:ops.acme.example", "[\"*\"]", "")]);
    let required = ClientCertificates::Required;
    let server = Server::start(|settings| {
        place.know_callers(settings, required);
        settings.server.max_connection_age_ms = 2_000;
        settings.server.max_connection_age_grace_ms = 3_600_000;
    })
    .await;
    let issued = place.clients.client(&["ops.acme.example"]);
    let old = Client::with(&place.authority.pem, &issued).channel(server.address).await.unwrap();
    let mut stream = Questions::open(&old).await;
    until("the connection is old", async || !serves(old.clone()).await).await;
    stream.ask().await.unwrap();
    place.write("ca.crt", &Authority::new("newer").pem);
    // Long before the grace is over.
    stream.end().await;
}

#[test]
fn a_caller_taken_off_the_list_meanwhile_changes_nothing_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.database.path = directory.path().join("keyward.db");
    settings.keyring.path = directory.path().join("keyward.keyring");
    let (runtime, back) = Back::start(2).unwrap();
    runtime.block_on(async {
        let app = App::open(&settings, back.clone()).await.unwrap();
        let list = "[[callers]]\nidentity = \"dns:ops\"\nscopes = [\"*\"]\nworkspaces = \"*\"\n";
        let callers = InForce::new(list.parse().unwrap(), Arc::new(SystemClock));
        let certificate =
            || Presented::new(std::iter::empty(), std::iter::once("ops"), Timestamp::MAX);
        let create = async |id: &str, caller: &Caller| {
            let (id, intent) = (id.to_owned(), Intent::default());
            let draft = PolicyDraft { policy: policy(), ..PolicyDraft::default() };
            let (admin, caller) = (Arc::clone(app.admin()), caller.clone());
            let request = CreateResource { id, draft, intent };
            let made = async move { admin.create_policy(&caller, &request).await.map(|_| ()) };
            back.run(made).await.unwrap()
        };
        let shown = certificate();
        let [before, untrusted] =
            [certificate(), shown.clone()].map(|it| callers.caller(&it).unwrap());
        create("one", &before).await.unwrap();
        let draft = WorkspaceDraft { policy: "policies/one".into(), ..WorkspaceDraft::default() };
        let acme = CreateResource { id: "acme".into(), draft, intent: Intent::default() };
        let (admin, caller) = (Arc::clone(app.admin()), before.clone());
        let made = async move { admin.create_workspace(&caller, &acme).await.map(|_| ()) };
        back.run(made).await.unwrap().unwrap();
        let create_keys = async |caller: &Caller| {
            let (admin, caller, keys) = (Arc::clone(app.admin()), caller.clone(), keys());
            let turn = tokio::task::yield_now;
            let made =
                async move { admin.batch_create_keys(&caller, &keys, turn).await.map(|_| ()) };
            back.run(made).await.unwrap()
        };
        create_keys(&before).await.unwrap();
        create("two", &untrusted).await.unwrap();
        shown.standing.withdraw();
        assert!(matches!(create("three", &untrusted).await, Err(AdminError::Contended)));
        callers.replace(list.parse().unwrap());
        create("three", &before).await.unwrap();
        callers.replace("callers = []".parse().unwrap());
        assert!(matches!(create("four", &before).await, Err(AdminError::Contended)));
        assert!(matches!(create_keys(&before).await, Err(AdminError::Contended)));
        callers.replace(list.parse().unwrap());
        create("four", &callers.caller(&certificate()).unwrap()).await.unwrap();
        app.close(LONG).await.unwrap();
    });
    let _ = runtime.shutdown(LONG);
}

fn keys() -> BatchCreateKeys {
    let key = CreateKey {
        parent: String::new(),
        id: String::new(),
        draft: KeyDraft {
            title: "reader".into(),
            key_type: String::new(),
            principal: String::new(),
            grants: vec![GrantDraft { scope: "sites:read".into(), resource: String::new() }],
            constraint: vec![],
            allowed_cidrs: vec![],
            expiration: Expiration::Never,
            plan: String::new(),
            labels: Default::default(),
        },
        presets: vec![],
        minting_key: String::new(),
        intent: Intent::default(),
    };
    let requests = vec![key.clone(), key];
    BatchCreateKeys { parent: "workspaces/acme".into(), requests, intent: Intent::default() }
}

fn policy() -> Policy {
    Policy {
        scopes: vec![Scope { name: "sites:read".into(), ..Scope::default() }],
        key_types: vec![KeyType {
            name: "api".into(),
            prefix: "acme".into(),
            is_default: true,
            ..KeyType::default()
        }],
        ..Policy::default()
    }
}
