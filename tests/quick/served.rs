//! The same through a real server, and clients that send what clients send.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyward::{
    config::ServerSettings,
    proto::introspect_client::IntrospectClient,
    server::{self, Entry},
};
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use crate::{
    both::Way,
    detailed,
    sent::{INTROSPECT, framed},
    world::{World, with_world},
};

const CALLS: usize = 10;

/// Serves one way on a port of its own, until the token is cancelled.
async fn serve(way: &Way, stop: &CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (edge, stop) = (way.edge.clone(), stop.clone());
    tokio::spawn(async move {
        let settings = ServerSettings { front_threads: 1, ..ServerSettings::default() };
        let _ = server::run(listener, edge, &settings, Entry::default(), stop).await.unwrap();
    });
    address
}

fn bearer(world: &World) -> String {
    format!("Bearer {}", world.secret("root"))
}

/// All that a client is told: the head, the data and the trailers, but for the date.
type Heard = (Vec<(String, String)>, Bytes, Vec<(String, String)>);

async fn ask(client: &mut SendRequest<Full<Bytes>>, bearer: &str, message: &[u8]) -> Heard {
    let request = Request::post(format!("http://test{INTROSPECT}"))
        .header("content-type", "application/grpc")
        .header("authorization", bearer)
        .body(Full::new(framed(message).into()))
        .unwrap();
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let listed = |headers: &http::HeaderMap| {
        let all = headers.iter().filter(|(name, _)| *name != http::header::DATE);
        let all = all.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable();
        all
    };
    let trailers = body.trailers().map(listed).unwrap_or_default();
    (listed(&head.headers), body.to_bytes(), trailers)
}

#[test]
fn a_client_that_ends_its_call_with_its_message_is_answered_from_memory_and_alike() {
    with_world(async |world| {
        let stop = CancellationToken::new();
        let _until_the_end = stop.clone().drop_guard();
        let message = detailed(world.secret("full")).encode_to_vec();
        let mut told = Vec::new();
        for way in [&world.both.plain, &world.both.quick] {
            let stream = TcpStream::connect(serve(way, &stop).await).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut client, connection) =
                handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            for _ in 0..CALLS {
                told.push(ask(&mut client, &bearer(&world), &message).await);
            }
        }
        assert!(told[0].1.len() > 100 && told[0].2 == [("grpc-status".into(), "0".into())]);
        assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
        assert_eq!(world.both.quick.keys.asked().0, 0, "nothing was waited for");
    });
}

#[test]
fn a_client_that_ends_its_call_after_its_message_is_answered_from_memory_and_alike() {
    with_world(async |world| {
        let stop = CancellationToken::new();
        let _until_the_end = stop.clone().drop_guard();
        let question = detailed(world.secret("full"));
        let mut told = Vec::new();
        for way in [&world.both.plain, &world.both.quick] {
            let address = serve(way, &stop).await;
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let mut client = IntrospectClient::new(endpoint.connect().await.unwrap());
            for _ in 0..CALLS {
                let mut request = tonic::Request::new(question.clone());
                request.metadata_mut().insert("authorization", bearer(&world).parse().unwrap());
                told.push(client.introspect(request).await.unwrap().into_inner());
            }
        }
        assert!(told[0].active && told.iter().all(|one| *one == told[0]), "{told:?}");
        assert_eq!(world.both.quick.keys.asked().0, 0, "nothing was waited for");
    });
}
