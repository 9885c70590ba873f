//! What a server tells of itself.

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::TIMEOUT;
use crate::{
    cli::{Failure, failure},
    config::Settings,
};

/// Bytes of the document.
const DOCUMENT_MAX: usize = 1024 * 1024;

/// Asks where it is told, else where the settings say; one line for each fact, as
/// `replica.lease = "valid"`.
///
/// # Errors
///
/// What to do where nothing is told.
pub(super) async fn ask(
    settings: &Settings,
    address: Option<String>,
) -> Result<Vec<String>, Failure> {
    let address = match address {
        Some(address) => address,
        None if !settings.metrics.enabled => {
            return Err(failure(
                "metrics.enabled is false in these settings; where the server's are others, name \
                 its port with --metrics-address",
            ));
        }
        None if settings.metrics.listen.port() == 0 => {
            return Err(failure(
                "metrics.listen leaves the port to the system; the server's log names it, for \
                 --metrics-address",
            ));
        }
        None => settings.metrics.listen.to_string(),
    };
    let told = tokio::time::timeout(TIMEOUT, fetch(&address)).await;
    let document = told.map_err(|_| failure(format!("{address} does not answer in time")))??;
    let mut lines = Vec::new();
    flatten("", &document, &mut lines);
    Ok(lines)
}

async fn fetch(address: &str) -> Result<Value, Failure> {
    let stream = TcpStream::connect(address).await.map_err(|error| {
        failure(format!(
            "nothing tells its status at {address}: {error}; name the server's metrics.listen with \
             --metrics-address, and see that its metrics.enabled is true"
        ))
    })?;
    let other = |cause: String| {
        failure(format!("what is at {address} is no metrics.listen of keyward: {cause}"))
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/status").header(header::HOST, address);
    let asked = sender.send_request(request.body(Empty::<Bytes>::new())?).await;
    let response = asked.map_err(|error| other(error.to_string()))?;
    let status = response.status();
    if status != StatusCode::OK {
        return Err(other(status.to_string()));
    }
    let body = Limited::new(response.into_body(), DOCUMENT_MAX).collect().await;
    let body = body.map_err(|error| other(error.to_string()))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| other(error.to_string()))
}

fn flatten(name: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&format!("{name}{dot}{field}"), value, lines);
            }
        }
        value => lines.push(format!("{name} = {value}")),
    }
}
