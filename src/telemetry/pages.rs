//! What is answered to whom.

use std::sync::{Arc, OnceLock};

use http::{Method, Response, StatusCode, header};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use super::{Sources, facts::Facts};

const METRICS: &str = "/metrics";
const STATUS: &str = "/status";
const TEXT: &str = "text/plain; charset=utf-8";

/// The pages there are.
pub(super) struct Pages {
    registry: Registry,
    /// Gathers as long as it is there.
    _meters: SdkMeterProvider,
    sources: Arc<OnceLock<Sources>>,
}

impl Pages {
    pub(super) fn new(
        registry: Registry,
        meters: SdkMeterProvider,
        sources: Arc<OnceLock<Sources>>,
    ) -> Self {
        Self { registry, _meters: meters, sources }
    }

    /// The answer to a request.
    pub(super) fn answer(&self, method: &Method, path: &str) -> Response<String> {
        let page = match path {
            METRICS => Self::metrics,
            STATUS => Self::status,
            _ => {
                let text = format!("there is {METRICS} and {STATUS}\n");
                return respond(StatusCode::NOT_FOUND, TEXT, text);
            }
        };
        if !matches!(*method, Method::GET | Method::HEAD) {
            let text = "it can be read: GET\n".to_owned();
            let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
            let allowed = header::HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
            return response;
        }
        page(self).unwrap_or_else(|error| {
            tracing::warn!(error, "what was asked for cannot be told");
            let text = "it cannot be told; the log says why\n".to_owned();
            respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
        })
    }

    fn metrics(&self) -> Result<Response<String>, String> {
        let mut text = String::new();
        TextEncoder::new()
            .encode_utf8(&self.registry.gather(), &mut text)
            .map_err(|error| error.to_string())?;
        Ok(respond(StatusCode::OK, prometheus::TEXT_FORMAT, text))
    }

    fn status(&self) -> Result<Response<String>, String> {
        let facts = Facts::of(self.sources.get());
        let mut text = serde_json::to_string_pretty(&facts).map_err(|error| error.to_string())?;
        text.push('\n');
        Ok(respond(StatusCode::OK, "application/json", text))
    }
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
