//! Calls that no generated client makes.

use std::net::SocketAddr;

use http::uri::PathAndQuery;
use keyward::proto::IntrospectResponse;
use tonic::{
    Request, Response, Status, client::Grpc, metadata::AsciiMetadataValue, transport::Endpoint,
};
use tonic_prost::ProstCodec;

use crate::seen::Seen;

const INTROSPECT: &str = "/keyward.v1.Introspect/Introspect";

/// A call with any path, headers and, in place of the secret of a question, any bytes.
async fn call(
    address: SocketAddr,
    path: &str,
    headers: &[(&'static str, String)],
    secret: &[u8],
) -> Result<Response<IntrospectResponse>, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut grpc = Grpc::new(endpoint.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let mut request = Request::new(secret.to_vec());
    for (name, value) in headers {
        request.metadata_mut().append(*name, value.parse::<AsciiMetadataValue>().unwrap());
    }
    let path = path.parse::<PathAndQuery>().unwrap();
    // Field 1, bytes where the server reads a string.
    grpc.unary(request, path, ProstCodec::<Vec<u8>, IntrospectResponse>::default()).await
}

pub(crate) async fn play(seen: &mut Seen, address: SocketAddr, root_secret: &str, secret: &str) {
    let bearer = |secret: &str| ("authorization", format!("Bearer {secret}"));
    let root = [bearer(root_secret)];
    seen.ok(call(address, INTROSPECT, &root, secret.as_bytes()).await);
    let not_utf8 = [secret.as_bytes(), b"\xff"].concat();
    seen.refused(call(address, INTROSPECT, &root, &not_utf8).await);
    let large = secret.repeat(5 << 20 >> 6);
    seen.refused(call(address, INTROSPECT, &root, large.as_bytes()).await);
    for path in [format!("/keyward.v1.Introspect/{secret}"), format!("/{secret}/Introspect")] {
        seen.refused(call(address, &path, &root, b"").await);
    }
    for headers in [
        vec![],
        vec![("authorization", secret.to_owned())],
        vec![("authorization", format!("Basic {secret}"))],
        vec![("authorization", format!("Bearer {secret} {secret}"))],
        vec![bearer(&format!("{secret}x"))],
        vec![bearer(secret), bearer(secret)],
        vec![("x-api-key", secret.to_owned())],
        vec![bearer(root_secret), ("grpc-timeout", secret.to_owned())],
        vec![bearer(root_secret), ("grpc-encoding", secret.to_owned())],
    ] {
        let outcome = call(address, INTROSPECT, &headers, secret.as_bytes()).await;
        match outcome {
            // An encoding that is named and not used may be passed over.
            Ok(answer) if headers.len() == 2 => _ = seen.ok(Ok(answer)),
            refused => seen.refused(refused),
        }
    }
}
