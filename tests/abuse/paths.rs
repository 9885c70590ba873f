//! Paths that are nearly right, and heads that are nearly those of a call: none is served.

use keyward::proto::{
    BatchIntrospectRequest, IntrospectRequest, ListWorkspacesRequest, StreamIntrospectRequest,
};
use prost::Message as _;

use crate::{
    hpack::Head,
    stage::{Bounds, Ended, Stage, note},
    wire::{Abuser, Answer, ENHANCE_YOUR_CALM, PROTOCOL_ERROR, framed},
};

const INTROSPECT: &str = "/keyward.v1.Introspect/Introspect";
const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Calls that are served, of each kind: their paths, and a body that each answers.
pub(crate) fn calls(secret: &str) -> [(&'static str, Vec<u8>); 5] {
    let question = || IntrospectRequest { secret: secret.to_owned(), ..Default::default() };
    let batch = BatchIntrospectRequest { requests: vec![question()] };
    let streamed = StreamIntrospectRequest { id: 1, request: Some(question()) };
    [
        (INTROSPECT, framed(&question().encode_to_vec())),
        ("/keyward.v1.Introspect/BatchIntrospect", framed(&batch.encode_to_vec())),
        ("/keyward.v1.Introspect/StreamIntrospect", framed(&streamed.encode_to_vec())),
        (
            "/keyward.v1.KeyAdmin/ListWorkspaces",
            framed(&ListWorkspacesRequest::default().encode_to_vec()),
        ),
        (CHECK, framed(&[])),
    ]
}

/// Paths that are not this one, and look like it. One with a fragment is not among them: that is taken off (`http` 1.5)
/// before anybody can see it.
fn odd(path: &str) -> Vec<Vec<u8>> {
    let (service, method) = path[1..].split_once('/').unwrap();
    let package = service.rsplit_once('.').unwrap().0;
    let mut odd: Vec<Vec<u8>> = [
        path[1..].to_owned(),
        format!("/{path}"),
        format!("//{service}//{method}"),
        format!("/{service}//{method}"),
        format!("/{service}/{method}/"),
        format!("/{service}/{method}/{method}"),
        format!("/{service}/"),
        format!("/{service}"),
        format!("/{method}"),
        format!("/{package}{path}"),
        format!("/./{service}/{method}"),
        format!("/x/../{service}/{method}"),
        format!("/{service}/x/../{method}"),
        format!("/{service}/./{method}"),
        format!("/{service}\\{method}"),
        format!("/{service};/{method}"),
        format!("/{service}/{method};x"),
        format!("{path}?"),
        format!("{path}?x=1"),
        format!("{path}%3fx"),
        format!("{path}%00"),
        format!("{path}%20"),
        format!("{path} "),
        format!(" {path}"),
        format!("{path}\t"),
        format!("{path}\r\n"),
        format!("{path}\0"),
        format!("{path}\u{e9}"),
        format!("/{service}%2f{method}"),
        format!("/%6b{}/{method}", &service[1..]),
        format!("/{service}/%{:02x}{}", method.as_bytes()[0], &method[1..]),
        format!("http://test{path}"),
        path.to_lowercase(),
        path.to_uppercase(),
        format!("/{}/{method}", service.to_uppercase()),
        format!("/{service}/{}", method.to_lowercase()),
        format!("/{service}s/{method}"),
        format!("/{service}/{method}s"),
        format!("/{service}/{}", &method[..method.len() - 1]),
        format!("/{service}/*"),
        format!("/{{{service}}}/{method}"),
        format!("/{service}/{{*rest}}"),
        "*".to_owned(),
        "/".to_owned(),
        "//".to_owned(),
        String::new(),
    ]
    .map(String::into_bytes)
    .into();
    odd.push([path.as_bytes(), b"\xff\xfe"].concat());
    odd.push([path.as_bytes(), &b"x".repeat(10_000)].concat());
    odd.push([path.as_bytes(), &b"/x".repeat(32_768)].concat());
    odd.retain(|other| other != path.as_bytes());
    odd
}

/// Whether nothing was answered to this but that there is no such method, or that it is none.
fn is_refused(answer: Answer) -> bool {
    match answer {
        Answer { bytes: 1.., .. } | Answer { grpc: Some(0), .. } => false,
        Answer { grpc: Some(status), .. } => status == 12,
        Answer { reset: Some(error), .. } => error == PROTOCOL_ERROR,
        Answer { http: Some(status), .. } => (400..500).contains(&status),
        _ => false,
    }
}

/// How a call ended, in a word.
pub(crate) fn told(answer: Answer) -> String {
    match answer {
        Answer { reset: Some(error), .. } => format!("RST_STREAM {error}"),
        Answer { grpc: Some(status), .. } => format!("grpc-status {status}"),
        Answer { http: Some(status), .. } => format!("HTTP {status}"),
        _ => "no answer".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_is_served_that_is_not_that_of_a_method_byte_for_byte() {
    let stage = Stage::new(&[]).await;
    let address = stage.serving.address;
    let abuse = async || {
        let mut ended = Ended::new();
        for (path, body) in calls(&stage.root) {
            let mut abuser = Abuser::connect(address).await;
            for odd in odd(path) {
                let head = Head::call(path, &stage.root).but(":path", &odd);
                let (answer, heard) = abuser.ask(&head, &body).await;
                let shown = String::from_utf8_lossy(&odd[..odd.len().min(80)]).into_owned();
                match heard.end() {
                    // Of a head that is larger than all that the server reads of one, or no text.
                    Some(error) => {
                        let is_text = str::from_utf8(&odd).is_ok();
                        assert!(odd.len() > 20_000 || !is_text, "{shown}: {:?}", heard.away);
                        let due = if is_text { ENHANCE_YOUR_CALM } else { PROTOCOL_ERROR };
                        assert_eq!(error, Some(due), "{shown}");
                        note(&mut ended, format!("GOAWAY {due}"));
                        abuser = Abuser::connect(address).await;
                    }
                    None => {
                        assert!(is_refused(answer), "{shown}: {answer:?}");
                        note(&mut ended, told(answer));
                    }
                }
            }
            // And the right one is.
            let (answer, _) = abuser.ask(&Head::call(path, &stage.root), &body).await;
            assert_eq!((answer.http, answer.grpc), (Some(200), Some(0)), "{path}: {answer:?}");
        }
        ended
    };
    stage.abused("odd paths", Bounds::USUAL, abuse).await;
}
