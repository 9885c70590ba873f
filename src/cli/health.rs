//! `keyward health`.

mod status;
mod target;

use std::{error::Error as _, process::ExitCode, time::Duration};

use clap::Args;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::{Status, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Failure, failure, on_back, output};
use crate::config::Settings;
use target::{Encryption, Target};

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What may fail where a server asks for certificates.
const FOR_CLIENTS: &str = "where it asks clients for certificates, give one with --certificate-file and \
                           --private-key-file, or set health.listen and ask there";

/// Whom to ask, and how.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Its address [default: health.listen of the settings, else server.listen]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    #[command(flatten)]
    encryption: Encryption,
    /// Also print what it tells of itself: its lease, replicas, durability and memory
    #[arg(long)]
    status: bool,
    /// Where it tells of itself [default: metrics.listen of the settings]
    #[arg(long, value_name = "HOST:PORT", requires = "status")]
    metrics_address: Option<String>,
}

/// Asks a server whether it serves; and where that is wanted, how it is.
pub(super) fn run(settings: &Settings, arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { address, encryption, status, metrics_address } = arguments;
    let target = Target::new(settings, address, encryption);
    let answer = on_back(settings, async |_| {
        let asked = tokio::time::timeout(TIMEOUT, check(&target)).await;
        asked.map_err(|_| failure(format!("{} does not answer in time", target.address)))?
    })?;
    output::answer(answer.as_str_name())?;
    if status {
        let lines = on_back(settings, async |_| status::ask(settings, metrics_address).await)?;
        output::answer(lines.join("\n"))?;
    }
    Ok(if answer == ServingStatus::Serving { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(target: &Target) -> Result<ServingStatus, Failure> {
    let address = &*target.address;
    let connector = target.connector()?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|_| failure(format!("nothing answers at {address}")))?;
    let Some(connector) = connector else {
        return ask(address, stream).await.map_err(|cause| {
            failure(format!(
                "{address}: {cause}; where it speaks TLS, ask with --tls, or --ca-file with the \
                 authority of its certificate"
            ))
        });
    };
    let stream = connector.connect(stream).await.map_err(|error| {
        failure(format!(
            "{address}: no encrypted connection: {error}; give the authority of its certificate \
             with --ca-file and the name in it with --server-name; {FOR_CLIENTS}"
        ))
    })?;
    let answer = ask(address, stream).await;
    answer.map_err(|cause| failure(format!("{address}: {cause}; {FOR_CLIENTS}")))
}

/// Asks over this connection; an error says in words why there is no answer.
async fn ask(
    address: &str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<ServingStatus, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.map_err(|error| error.to_string())?;
    // There is one connection: another would not be asked for.
    let mut stream = Some(TokioIo::new(stream));
    let once = tower::service_fn(move |_| {
        let stream = stream.take().ok_or("the connection was lost");
        std::future::ready(stream)
    });
    let channel = endpoint.connect_with_connector(once).await;
    let channel = channel.map_err(|error| error.to_string())?;
    let request = HealthCheckRequest { service: String::new() };
    let answer = HealthClient::new(channel).check(request).await;
    Ok(answer.map_err(|status| said(&status))?.into_inner().status())
}

/// What a status says, with what is behind it.
fn said(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
