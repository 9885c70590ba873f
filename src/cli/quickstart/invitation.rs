//! What a reader may try next, ready to paste.

use std::net::SocketAddr;

use super::page;

/// The key that the reader may try.
pub(super) const KEY: &str = "workspaces/acme/keys/yours";

pub(super) fn print(address: SocketAddr, caller: &str, secret: &str) {
    page::paste(
        "Now you: paste into another terminal (needs grpcurl); it asks about a live key of your own",
        &lines(address, caller, secret),
    );
    page::closing(
        "Ctrl-C ends the server. For a deployment that lasts: keyward bootstrap, then keyward serve.",
    );
}

fn lines(address: SocketAddr, caller: &str, secret: &str) -> String {
    format!(
        r#"CALLER='authorization: Bearer {caller}'
grpcurl -plaintext {address} list
grpcurl -plaintext {address} describe keyward.v1.Introspect
grpcurl -plaintext -H "$CALLER" -d '{{
  "secret": "{secret}", "client_ip": "203.0.113.9",
  "required_scopes": ["notes:read"], "resource": "teams/red/notes/7"
}}' {address} keyward.v1.Introspect/Introspect
grpcurl -plaintext -H "$CALLER" -d '{{"parent": "workspaces/acme"}}' \
  {address} keyward.v1.KeyAdmin/ListKeys
grpcurl -plaintext -H "$CALLER" -d '{{"parent": "workspaces/acme"}}' \
  {address} keyward.v1.KeyAdmin/ListEvents"#
    )
}
