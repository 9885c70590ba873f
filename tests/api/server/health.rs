//! Health, of the whole server and of each service.

use http::HeaderMap;
use prost::Message as _;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    callers::raw::{descriptors, framed, send},
    support::Server,
};

pub(crate) fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

/// The services of the proto files, and the whole server.
pub(crate) fn services() -> Vec<String> {
    let declared = descriptors().file.into_iter().flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().map(move |service| format!("{package}.{}", service.name()))
    });
    let services: Vec<String> = declared.chain([String::new()]).collect();
    assert_eq!(services.len(), 3);
    services
}

#[tokio::test]
async fn every_service_is_serving_and_no_credentials_are_needed_to_ask() {
    let server = Server::start().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in services() {
        let answer = health.check(of(&service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
}

#[tokio::test]
async fn an_unknown_service_is_not_found() {
    let server = Server::start().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in ["keyward", "keyward.v1", "keyward.v1.keyadmin", "KeyAdmin", " "] {
        let status = health.check(of(service)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{service:?}");
    }
}

#[tokio::test]
async fn a_watcher_is_told_at_once() {
    let server = Server::start().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in services() {
        let mut watch = health.watch(of(&service)).await.unwrap().into_inner();
        let first = watch.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving, "{service:?}");
    }
}

#[tokio::test]
async fn a_message_of_another_type_is_refused() {
    let server = Server::start().await;
    let body = framed(b"\xff\xff");
    let path = "/grpc.health.v1.Health/Check";
    let reply = send(&server.channel().await, path, HeaderMap::new(), body).await;
    assert_eq!(reply.reason(), "MALFORMED_REQUEST");
    let good = framed(&of("").encode_to_vec());
    let reply = send(&server.channel().await, path, HeaderMap::new(), good).await;
    assert_eq!(reply.reason(), "");
}
