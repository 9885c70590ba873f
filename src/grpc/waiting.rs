//! What is answered for a service as long as its database cannot be used.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    marker::PhantomData,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{body::Body, server::NamedService};
use tower::Service;

use super::status;

/// Stands for the service `S`, and answers every call UNAVAILABLE.
pub struct Waiting<S>(PhantomData<fn() -> S>);

impl<S> Waiting<S> {
    /// Stands for the service.
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Default for Waiting<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Waiting<S> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<S: NamedService> NamedService for Waiting<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for Waiting<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(status::waiting().into_http()))
    }
}
