//! `Introspect`.

mod batch;
mod clients;
mod invalid_key;
mod limits;
mod memory;
mod order;
mod questions;
mod reasons;
mod resources;
mod scopes;
mod stream;
mod view;

use keyward::proto::{self, IntrospectRequest, IntrospectResponse};

use crate::support::{Caller, strings};

/// A question about a secret that requires these scopes.
pub(crate) fn question(secret: &str, required: &[&str]) -> IntrospectRequest {
    IntrospectRequest {
        secret: secret.to_owned(),
        required_scopes: strings(required),
        ..Default::default()
    }
}

/// The answer to a question that is a good one.
pub(crate) async fn answer(caller: &mut Caller, question: IntrospectRequest) -> IntrospectResponse {
    caller.introspect.introspect(question).await.unwrap().into_inner()
}

/// A grant on some resources.
pub(crate) fn grant(scope: &str, resource: &str) -> proto::Grant {
    proto::Grant { scope: scope.to_owned(), resource: resource.to_owned() }
}
