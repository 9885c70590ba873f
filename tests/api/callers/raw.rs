//! Calls without the generated clients: any path, any body, and every byte of the answer.

use http::{HeaderMap, HeaderValue, Request, header::AUTHORIZATION};
use http_body_util::{BodyExt as _, Full};
use keyward::proto;
use prost::Message as _;
use prost_types::{FileDescriptorSet, source_code_info::Location};
use tonic::{Status, body::Body, transport::Channel};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

/// An RPC as the proto files declare it.
pub(crate) struct Rpc {
    /// `keyward.v1.KeyAdmin`.
    pub(crate) service: String,
    /// `CreateKey`.
    pub(crate) method: String,
    /// What the proto file says of it and of its service.
    pub(crate) comment: String,
    /// The fields of its request.
    pub(crate) fields: Vec<String>,
}

impl Rpc {
    pub(crate) fn path(&self) -> String {
        format!("/{}/{}", self.service, self.method)
    }
}

/// The compiled proto files.
pub(crate) fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(proto::DESCRIPTOR_SET).unwrap()
}

/// Every RPC of both services.
pub(crate) fn rpcs() -> Vec<Rpc> {
    let mut rpcs = Vec::new();
    for file in descriptors().file {
        let locations = file.source_code_info.clone().unwrap_or_default().location;
        let said = |path: &[usize]| {
            let at = |location: &&Location| {
                location.path.iter().map(|part| usize::try_from(*part).unwrap()).eq(path.to_vec())
            };
            locations.iter().find(at).unwrap().leading_comments().to_owned()
        };
        for (at, service) in file.service.iter().enumerate() {
            for (place, method) in service.method.iter().enumerate() {
                let input = file.message_type.iter().find(|message| {
                    method.input_type() == format!(".{}.{}", file.package(), message.name())
                });
                let fields = input.unwrap().field.iter().map(|field| field.name().to_owned());
                rpcs.push(Rpc {
                    fields: fields.collect(),
                    service: format!("{}.{}", file.package(), service.name()),
                    method: method.name().to_owned(),
                    // Field 6 of a file are its services, field 2 of a service its methods.
                    comment: said(&[6, at]) + &said(&[6, at, 2, place]),
                });
            }
        }
    }
    assert!(rpcs.len() > 30, "there are more RPCs than {}", rpcs.len());
    rpcs
}

/// Whether the tables of these RPCs name each one once, and none that is not there.
#[track_caller]
pub(crate) fn covers_every_rpc<'a>(rows: impl Iterator<Item = &'a str>) {
    let mut rows: Vec<&str> = rows.collect();
    let declared = rpcs();
    let mut expected: Vec<&str> = declared.iter().map(|rpc| rpc.method.as_str()).collect();
    rows.sort_unstable();
    expected.sort_unstable();
    assert_eq!(rows, expected, "the table has one row for each RPC");
}

/// All that came back.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    http: u16,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Reply {
    /// The status, which is in the head where there is nothing but a status.
    pub(crate) fn status(&self) -> Status {
        let trailers = self.trailers.as_ref().and_then(Status::from_header_map);
        Status::from_header_map(&self.headers).or(trailers).unwrap()
    }

    /// The reason of a status that is not OK; nothing for OK.
    pub(crate) fn reason(&self) -> String {
        let status = self.status();
        match status.get_details_error_info() {
            Some(info) => info.reason,
            None => {
                assert_eq!(status.code(), tonic::Code::Ok, "without details: {status:?}");
                String::new()
            }
        }
    }
}

/// The message as gRPC frames it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// `authorization: Bearer …`.
pub(crate) fn bearer(secret: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        AUTHORIZATION,
        HeaderValue::try_from(format!("Bearer {secret}")).unwrap(),
    )])
}

/// Sends a body as it is.
pub(crate) async fn send(
    channel: &Channel,
    path: &str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Reply {
    let body = Full::new(bytes::Bytes::from(body));
    let mut request = Request::post(path).body(Body::new(body)).unwrap();
    *request.headers_mut() = headers;
    let typed = HeaderValue::from_static("application/grpc");
    request.headers_mut().insert("content-type", typed);
    let (head, body) = channel.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    let body = body.to_bytes().to_vec();
    Reply { http: head.status.as_u16(), headers: head.headers, body, trailers }
}

/// Calls an RPC with a message.
pub(crate) async fn call(channel: &Channel, rpc: &Rpc, secret: &str, message: &[u8]) -> Reply {
    send(channel, &rpc.path(), bearer(secret), framed(message)).await
}
