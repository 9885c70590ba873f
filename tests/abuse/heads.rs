//! Heads that are nearly those of a call: methods, pseudo-headers, kinds of content, credentials
//! and headers that no client may send.

use crate::{
    hpack::Head,
    paths::calls,
    stage::{Bounds, Ended, Stage, note},
    wire::{Abuser, Answer, COMPRESSION_ERROR, Heard, PROTOCOL_ERROR},
};

/// What is to come of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Served,
    Grpc(u8),
    Http(u16),
    /// A malformed request (RFC 9113, section 8.1.1).
    Reset,
    /// The connection ends.
    Closed,
}

fn came(answer: Answer, heard: &Heard) -> Due {
    match (heard.end(), answer) {
        (Some(None | Some(0 | PROTOCOL_ERROR | COMPRESSION_ERROR)), _) => Due::Closed,
        (_, Answer { reset: Some(PROTOCOL_ERROR), bytes: 0, .. }) => Due::Reset,
        (_, Answer { grpc: Some(0), .. }) => Due::Served,
        (_, Answer { grpc: Some(status), .. }) => Due::Grpc(status),
        (_, Answer { http: Some(status), .. }) => Due::Http(status),
        other => panic!("{other:?}"),
    }
}

/// Heads that are not as this one of a call, and what is to come of them.
fn heads(good: &Head) -> Vec<(Head, Due)> {
    let good = || good.clone();
    let bearer = good().0.last().unwrap().1.clone();
    let both = [&bearer[..], b", ", &bearer[..]].concat();
    let mut heads = vec![
        (good(), Due::Served),
        // What one may leave out, or say besides.
        (good().without(":authority"), Due::Served),
        (good().without("te"), Due::Served),
        (good().but(":scheme", "https"), Due::Served),
        (good().with("host", "another"), Due::Served),
        (good().but("content-type", "application/grpc;charset=utf-8"), Due::Served),
        // Methods.
        (good().but(":method", "CONNECT"), Due::Reset),
        (good().but(":method", "CONNECT").without(":path").without(":scheme"), Due::Http(405)),
        (good().after(":protocol", "websocket").but(":method", "CONNECT"), Due::Reset),
        (good().after(":protocol", "websocket"), Due::Reset),
        // Pseudo-headers: missing, empty, twice, unknown, too late.
        (good().without(":method"), Due::Reset),
        (good().without(":scheme"), Due::Reset),
        (good().without(":path"), Due::Reset),
        (good().but(":path", ""), Due::Reset),
        (good().but(":authority", "a b"), Due::Reset),
        (good().but(":scheme", "h p"), Due::Reset),
        (good().after(":method", "POST"), Due::Reset),
        (good().after(":method", "GET"), Due::Reset),
        (good().after(":path", "/"), Due::Reset),
        (good().after(":scheme", "https"), Due::Reset),
        (good().after(":authority", "other"), Due::Reset),
        (good().after(":status", "200"), Due::Reset),
        (good().with(":path", "/"), Due::Reset),
        (good().with(":authority", "test"), Due::Reset),
        (good().after(":other", "x"), Due::Closed),
        // Content.
        (good().without("content-type"), Due::Http(415)),
        (good().with("content-type", "application/json"), Due::Http(415)),
        (good().after("content-type", "application/json"), Due::Reset),
        // Credentials.
        (good().without("authorization"), Due::Grpc(16)),
        (good().with("authorization", &bearer), Due::Grpc(16)),
        (good().with("authorization", "Bearer x"), Due::Grpc(16)),
        (good().with("authorization", ""), Due::Grpc(16)),
        (good().but("authorization", ""), Due::Grpc(16)),
        (good().but("authorization", both), Due::Grpc(16)),
        (good().but("authorization", &bearer[7..]), Due::Grpc(16)),
        (good().but("authorization", [b"Basic ", &bearer[7..]].concat()), Due::Grpc(16)),
        (good().but("authorization", [&bearer[..], b"\x7f"].concat()), Due::Closed),
        (good().but("authorization", [&bearer[..], b"\xff"].concat()), Due::Grpc(16)),
        // What the call is given, and how its message is sent.
        (good().with("grpc-timeout", "soon"), Due::Grpc(3)),
        (good().with("grpc-timeout", "123456789S"), Due::Grpc(3)),
        (good().with("grpc-timeout", "0n"), Due::Grpc(4)),
        (good().with("content-length", "1"), Due::Reset),
        (good().with("content-length", "1000000"), Due::Reset),
        (good().with("content-length", "-1"), Due::Reset),
        (good().with("content-length", "18446744073709551616"), Due::Reset),
        // Of the connection, and so of none (RFC 9113, section 8.2.2).
        (good().but("te", "gzip"), Due::Reset),
        (good().with("connection", "upgrade").with("upgrade", "h2c"), Due::Reset),
        (good().with("upgrade", "websocket"), Due::Reset),
        (good().with("transfer-encoding", "chunked"), Due::Reset),
        (good().with("keep-alive", "1"), Due::Reset),
        (good().with("proxy-connection", "close"), Due::Reset),
        // Names and values that are none.
        (good().with("X-Upper", "x"), Due::Closed),
        (good().with("Authorization", &bearer), Due::Closed),
        (good().with("", "x"), Due::Closed),
        (good().with("x y", "x"), Due::Closed),
        (good().with("x\0", "x"), Due::Closed),
        (good().with("x", "a\0b"), Due::Closed),
        (good().with("x", "a\r\nauthorization: b"), Due::Closed),
        (Head::default(), Due::Reset),
    ];
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PRI", "post", "X"]
    {
        heads.push((good().but(":method", method), Due::Http(405)));
    }
    for method in ["", "PO ST", "POST\0"] {
        heads.push((good().but(":method", method), Due::Closed));
    }
    for kind in [
        "",
        "text/plain",
        "application/json",
        "application/grpc+json",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpcx",
        "application/GRPC+thrift",
        "multipart/form-data",
    ] {
        heads.push((good().but("content-type", kind), Due::Http(415)));
    }
    heads
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_none_of_a_call_is_refused_as_the_protocols_have_it() {
    let stage = Stage::new(&[]).await;
    let address = stage.serving.address;
    let abuse = async || {
        let mut ended = Ended::new();
        let mut wrong = Vec::new();
        // Health is open to everybody, and asks for no credentials.
        for (path, body) in calls(&stage.root).into_iter().take(4) {
            let mut abuser = Abuser::connect(address).await;
            for (head, due) in heads(&Head::call(path, &stage.root)) {
                let (answer, heard) = abuser.ask(&head, &body).await;
                let came = came(answer, &heard);
                note(&mut ended, format!("{came:?}"));
                if came != due {
                    let head = head.0.iter().map(|(name, value)| {
                        let of = String::from_utf8_lossy;
                        format!("{}: {}", of(name), of(&value[..value.len().min(40)]))
                    });
                    wrong.push((path, head.collect::<Vec<_>>(), came, due));
                }
                if heard.is_closed {
                    abuser = Abuser::connect(address).await;
                }
            }
            // There are no tunnels, and none has a length: refused, reset, or the connection is ended.
            let tunnel = Head::call(path, &stage.root).but(":method", "CONNECT");
            let tunnel = tunnel.without(":path").without(":scheme").with("content-length", "5");
            let (answer, heard) = abuser.ask(&tunnel, &body).await;
            let is_refused = answer.http == Some(405) || answer.reset.is_some() || heard.is_closed;
            assert!(is_refused && answer.grpc.is_none(), "{answer:?}");
            note(&mut ended, "Closed");
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        ended
    };
    stage.abused("odd heads", Bounds::USUAL, abuse).await;
}
