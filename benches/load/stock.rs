//! Servers that are not ours, each in a process of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use opentelemetry_proto::tonic::collector::{
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
};
use tonic::{Request, Response, Status, transport::Server};

/// The program that everybody ships, built as everybody builds it.
pub(crate) fn build() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--profile", "stock", "--package", "keyward-stock"])
        .arg("--target-dir")
        .arg(target())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success(), "keyward-stock is not built: {built}");
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// Where it is then.
pub(crate) fn program() -> PathBuf {
    target().join("stock").join("keyward-stock")
}

/// The same, built as ours is: with all of it optimised together. Serves until the process is killed.
pub(crate) fn serve(address: SocketAddr) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (_reporter, health) = tonic_health::server::health_reporter();
        Server::builder().add_service(health).serve(address).await.unwrap();
    });
}

/// A collector of OpenTelemetry that forgets what it is sent.
pub(crate) fn collect(address: SocketAddr) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (_reporter, health) = tonic_health::server::health_reporter();
        let server = Server::builder()
            .add_service(health)
            .add_service(TraceServiceServer::new(Forgets))
            .add_service(MetricsServiceServer::new(Forgets));
        server.serve(address).await.unwrap();
    });
}

struct Forgets;

#[tonic::async_trait]
impl TraceService for Forgets {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Forgets {
    async fn export(
        &self,
        _: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}
