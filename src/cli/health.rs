//! `keyward health`.

mod status;

use std::{process::ExitCode, time::Duration};

use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Failure, failure, on_back, output};
use crate::config::Settings;

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks a server whether it serves; and where `metrics` is given, how it is, there or where the
/// settings say.
pub(super) fn run(
    settings: &Settings,
    address: Option<String>,
    metrics: Option<Option<String>>,
) -> Result<ExitCode, Failure> {
    let address = address.unwrap_or_else(|| settings.server.listen.to_string());
    let status = on_back(settings, async |_| {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT);
        let channel = endpoint
            .connect()
            .await
            .map_err(|_| failure(format!("nothing answers at {address}")))?;
        let request = HealthCheckRequest { service: String::new() };
        let answer = HealthClient::new(channel).check(request).await;
        Ok(answer
            .map_err(|status| failure(format!("{address}: {}", status.message())))?
            .into_inner()
            .status())
    })?;
    output::answer(status.as_str_name())?;
    if let Some(address) = metrics {
        let lines = on_back(settings, async |_| status::ask(settings, address).await)?;
        output::answer(lines.join("\n"))?;
    }
    Ok(if status == ServingStatus::Serving { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
