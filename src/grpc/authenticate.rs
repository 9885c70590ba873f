//! Who calls, and whether it may make the call at all: every RPC of both services is behind this, before anything is told
//! of the message (AIP-211).

use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use subtle::ConstantTimeEq as _;
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

use super::{needed::scope, status::credentials_missing};
use crate::{
    callers::{InForce, NotKnown},
    domain::{
        caller::Caller,
        identity::{Identity, Presented},
        secret::{Digest, Secret},
        system::SystemScope,
    },
    introspect::{Calling, Introspection, NotAuthenticated},
    server::{Connected, Peer},
};

/// A service behind the check of its caller, whose credentials it finds in the request's
/// extensions.
#[derive(Clone)]
pub struct Authenticated<S> {
    inner: S,
    knows: Knows,
}

/// What callers are known by.
#[derive(Clone)]
pub struct Knows {
    /// Their keys.
    pub keys: Arc<Introspection>,
    /// Their certificates. None: by no certificate.
    pub certificates: Option<Arc<InForce>>,
}

impl Knows {
    /// Whether who makes a call with these headers, and showed this, may turn out to be a caller: it has a secret that this
    /// deployment made, or the certificate of a caller. Strangers have neither. Nothing is looked
    /// up; whether it may call is decided later.
    pub(super) fn may_know(&self, headers: &HeaderMap, presented: Option<&Arc<Presented>>) -> bool {
        match bearer(headers) {
            Some(secret) => self.keys.recognise(secret).is_some(),
            None if headers.contains_key(AUTHORIZATION) => false,
            None => {
                let shown = self.certificates.as_ref().zip(presented);
                shown.is_some_and(|(callers, presented)| callers.caller(presented).is_ok())
            }
        }
    }
}

impl<S> Authenticated<S> {
    /// The service behind the check.
    pub fn new(inner: S, knows: Knows) -> Self {
        Self { inner, knows }
    }
}

impl<S: NamedService> NamedService for Authenticated<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for Authenticated<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let knows = self.knows.clone();
        Box::pin(async move {
            let known = match Credentials::of(&request, knows) {
                Ok(credentials) => admitted(credentials, scope(request.uri().path())).await,
                Err(missing) => Err(missing),
            };
            match known {
                Ok(credentials) => {
                    request.extensions_mut().insert(credentials);
                    inner.call(request).await
                }
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

/// What the caller of a request is known by, where it may make this call at all: the scope that the call needs is asked
/// for before anything of its message is read (AIP-211).
async fn admitted(
    credentials: Credentials,
    needed: Option<SystemScope>,
) -> Result<Credentials, Status> {
    let caller = credentials.caller().await?;
    if let Some(Err(refused)) = needed.map(|scope| caller.require(scope)) {
        // It is a call all the same, which counts as a use of its key.
        credentials.called().await?;
        return Err(refused.into());
    }
    Ok(credentials)
}

/// Which secret the calls of a connection came with last, and what it is looked up by: whether this
/// deployment made it is asked once, not of each call. Whether its key works is asked of each.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Option<(Secret, Digest)>>);

impl Remembered {
    fn digest(&self, secret: &str, keys: &Introspection) -> Option<Digest> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // In the same time wherever they differ: behind a proxy, strangers share a connection.
        if let Some((same, digest)) = &*last
            && bool::from(same.as_str().as_bytes().ct_eq(secret.as_bytes()))
        {
            return Some(Digest::from_bytes(*digest.as_bytes()));
        }
        let digest = keys.recognise(secret)?;
        let same = Digest::from_bytes(*digest.as_bytes());
        *last = Some((Secret::new(secret.to_owned()), digest));
        Some(same)
    }
}

impl Knows {
    /// The call of a request with these headers, where who makes it is at hand and may call.
    pub(super) fn calling(
        &self,
        headers: &HeaderMap,
        connected: &Connected,
        remembered: &Remembered,
    ) -> Option<Calling> {
        if let Some(secret) = bearer(headers) {
            let digest = remembered.digest(secret, &self.keys)?;
            return self.keys.calling(&digest, Some(connected.peer.ip()));
        }
        if headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let (callers, presented) = self.certificates.as_ref().zip(connected.presented.as_ref())?;
        let caller = callers.caller(presented).ok()?;
        Some(self.keys.calling_by_certificate(caller))
    }
}

/// What a caller is known by.
#[derive(Clone)]
pub(super) enum Credentials {
    /// The secret that it sent.
    Secret(Arc<Secret>, Option<IpAddr>, Arc<Introspection>),
    /// The certificate of its connection.
    Certificate(Arc<Presented>, Arc<InForce>),
}

impl Credentials {
    pub(super) fn new(
        secret: Secret,
        peer: Option<IpAddr>,
        introspection: Arc<Introspection>,
    ) -> Self {
        Self::Secret(Arc::new(secret), peer, introspection)
    }

    /// Those of a request. One with the header `authorization` is judged by that alone, so that
    /// nobody gets the rights of a connection who meant to call with those of a key.
    fn of<B>(request: &Request<B>, knows: Knows) -> Result<Self, Status> {
        let Knows { keys, certificates } = knows;
        let presented = request.extensions().get::<Arc<Presented>>();
        match (bearer(request.headers()), certificates.zip(presented)) {
            (Some(secret), _) => {
                let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
                Ok(Self::new(Secret::new(secret.to_owned()), peer, keys))
            }
            (None, Some((callers, presented)))
                if !request.headers().contains_key(AUTHORIZATION) =>
            {
                Ok(Self::Certificate(Arc::clone(presented), callers))
            }
            (None, _) => Err(credentials_missing()),
        }
    }

    /// Whose they are now.
    pub(super) async fn caller(&self) -> Result<Caller, NotAuthenticated> {
        match self {
            Self::Secret(secret, peer, keys) => keys.authenticate(secret.as_str(), *peer).await,
            Self::Certificate(presented, callers) => callers.caller(presented).map_err(|error| {
                let identities = presented.identities.iter().map(Identity::as_str);
                let identities = identities.collect::<Vec<_>>().join(" ");
                tracing::debug!(identities, %error, "a caller is not known by its certificate");
                error.into()
            }),
        }
    }

    /// What their secret is looked up by, where it is one that this deployment made.
    pub(super) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Secret(secret, _, keys) => keys.recognise(secret.as_str()),
            Self::Certificate(..) => None,
        }
    }

    /// A call that is made with them, where who makes it is at hand and may call. It is not
    /// counted yet. `digest`: that of their secret.
    pub(super) fn calling(&self, digest: Option<&Digest>, keys: &Introspection) -> Option<Calling> {
        match self {
            Self::Secret(_, peer, _) => keys.calling(digest?, *peer),
            Self::Certificate(presented, callers) => {
                Some(keys.calling_by_certificate(callers.caller(presented).ok()?))
            }
        }
    }

    /// The same, of a call that is made: it counts as a use of them, once.
    pub(super) async fn called(&self) -> Result<Caller, NotAuthenticated> {
        match self {
            Self::Secret(secret, peer, keys) => keys.called(secret.as_str(), *peer).await,
            Self::Certificate(..) => self.caller().await,
        }
    }
}

impl From<NotKnown> for NotAuthenticated {
    fn from(error: NotKnown) -> Self {
        match error {
            NotKnown::NotListed => Self::IdentityUnknown,
            NotKnown::Ended => Self::CertificateEnded,
            NotKnown::NotTrusted => Self::CertificateNotTrusted,
        }
    }
}

/// The secret of `authorization: Bearer …` (RFC 6750, section 2.1). The scheme is read
/// without regard to case (RFC 9110, section 11.1); two headers are none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| secret.trim_matches(' '))
        .filter(|secret| !secret.is_empty())
}

/// The caller of a request that came through the check. It is checked again, now that
/// its message is here: a caller may take its time to send it, and what was revoked
/// meanwhile counts.
pub(super) async fn caller<M>(request: &tonic::Request<M>) -> Result<Caller, Status> {
    Ok(credentials(request)?.called().await?)
}

/// What the caller of a request that came through the check is known by, for a call that goes
/// on: it must not outlive what its caller may.
pub(super) fn credentials<M>(request: &tonic::Request<M>) -> Result<Credentials, Status> {
    request.extensions().get::<Credentials>().cloned().ok_or_else(credentials_missing)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        assert_eq!(bearer(&headers), expected, "{values:?}");
    }

    #[test]
    fn one_bearer_header_is_read() {
        check(&["Bearer abc"], Some("abc"));
        check(&["bearer abc"], Some("abc"));
        check(&["BEARER  abc "], Some("abc"));
    }

    #[test]
    fn anything_else_is_none() {
        for values in [
            &[][..],
            &[""],
            &["abc"],
            &["Bearer"],
            &["Bearer "],
            &["Basic abc"],
            &["Bearer a", "Bearer b"],
        ] {
            check(values, None);
        }
    }
}
