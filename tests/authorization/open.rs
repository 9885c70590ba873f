//! What is answered to everybody: health and what the services are, and nothing of anybody's. All else there is not.

use std::collections::BTreeSet;

use http::HeaderMap;
use keyward::proto;
use prost::Message as _;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    complete::declared,
    raw::{bearer, framed, send},
    rows::rows,
    world::{Kind, OTHER, OWN, World},
};

macro_rules! listed {
    ($version:ident, $channel:expr) => {{
        use $version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let question = MessageRequest::ListServices(String::new());
        let request =
            ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let asked = futures_util::stream::iter([request]);
        let mut client = ServerReflectionClient::new($channel.clone());
        let mut answers = client.server_reflection_info(asked).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
        list.service.into_iter().map(|service| service.name).collect::<BTreeSet<String>>()
    }};
}

#[tokio::test]
async fn the_server_answers_for_the_services_of_the_table_and_no_others() {
    let world = World::new(Kind::Sqlite, &[]).await;
    let channel: &Channel = &world.plain;
    let told: BTreeSet<String> = &listed!(v1, channel) | &listed!(v1alpha, channel);
    let table: BTreeSet<String> =
        rows().iter().map(|row| row.call.split_once('/').unwrap().0.to_owned()).collect();
    assert_eq!(told, table);
}

#[tokio::test]
async fn health_and_reflection_tell_nobody_of_tenants() {
    let world = World::furnished(Kind::Sqlite).await;
    let mut health = HealthClient::new(world.plain.clone());
    for service in ["", "keyward.v1.KeyAdmin", "keyward.v1.Introspect"] {
        let asked = HealthCheckRequest { service: service.to_owned() };
        health.check(asked.clone()).await.unwrap();
        assert!(health.watch(asked).await.unwrap().into_inner().message().await.unwrap().is_some());
    }
    for name in
        [format!("workspaces/{OWN}"), format!("workspaces/{OTHER}/keys/twin"), OWN.to_owned()]
    {
        let absent = HealthCheckRequest { service: "workspaces/none".to_owned() };
        let [there, absent] = [HealthCheckRequest { service: name.clone() }, absent]
            .map(|asked| framed(&asked.encode_to_vec()));
        let path = "/grpc.health.v1.Health/Check";
        let there = send(&world.plain, path, HeaderMap::new(), there).await;
        assert_eq!(there.status().code(), Code::NotFound);
        assert_eq!(send(&world.plain, path, HeaderMap::new(), absent).await, there, "{name}");
    }
    for set in [proto::DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET] {
        let text = String::from_utf8_lossy(set);
        assert!(!text.contains(OTHER), "descriptors tell of no tenant");
    }
}

#[tokio::test]
async fn a_path_that_is_no_call_is_refused_to_nobody_as_a_call_is_and_served_to_no_one() {
    let world = World::new(Kind::Sqlite, &[]).await;
    let declared = declared();
    for call in ["keyward.v1.KeyAdmin/DeleteWorkspace", "keyward.v1.Introspect/Watch"] {
        assert!(!declared.contains(call));
        let path = format!("/{call}");
        let reply = send(&world.plain, &path, HeaderMap::new(), framed(&[])).await;
        assert_eq!(reply.reason(), "CREDENTIALS_MISSING", "{call}");
        let reply = send(&world.plain, &path, bearer("x"), framed(&[])).await;
        assert_eq!(reply.reason(), "CREDENTIALS_INVALID", "{call}");
        let reply = send(&world.plain, &path, bearer(&world.server.root_secret), framed(&[])).await;
        assert_eq!(
            (reply.status().code(), reply.reason().as_str()),
            (Code::Unimplemented, "UNKNOWN_METHOD")
        );
    }
    // The paths of REST are those of a proxy in front, which calls what is in the table.
    for path in [
        "/v1/policies",
        "/v1/introspect",
        "/v1/workspaces/acme/keys",
        "/metrics",
        "/status",
        "/",
        "/keyward.v1.KeyAdmin/",
    ] {
        for headers in [HeaderMap::new(), bearer(&world.server.root_secret)] {
            let reply = send(&world.plain, path, headers, framed(&[])).await;
            assert_eq!(reply.reason(), "UNKNOWN_METHOD", "{path}");
        }
    }
}
