//! A collector of OpenTelemetry that keeps what it is sent.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::Metric,
    trace::v1::Span,
};
use prost::Message as _;
use tokio::{net::TcpListener, sync::watch};
use tonic::{
    Request, Response, Status,
    metadata::MetadataMap,
    transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming},
};

use crate::{LONG, authority::Issued};

/// What was received.
#[derive(Clone, Default)]
pub(crate) struct Received {
    pub(crate) spans: Vec<Span>,
    /// As of the last message.
    pub(crate) metrics: Vec<Metric>,
    pub(crate) resource: Vec<KeyValue>,
    pub(crate) headers: MetadataMap,
    /// All messages, as they came.
    pub(crate) bytes: Vec<u8>,
}

/// A collector, as long as the test goes on.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Received>>,
    arrived: watch::Sender<u64>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::start_as(None).await
    }

    /// The same for `localhost`, over TLS.
    pub(crate) async fn start_tls(issued: &Issued) -> Self {
        Self::start_as(Some(Identity::from_pem(&issued.certificate, &issued.key))).await
    }

    async fn start_as(identity: Option<Identity>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = match identity {
            Some(_) => format!("https://localhost:{}", address.port()),
            None => format!("http://{address}"),
        };
        let mut server = Server::builder();
        if let Some(identity) = identity {
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        }
        let (received, arrived) = (Arc::default(), watch::Sender::default());
        let receiver = Self { url, received, arrived };
        let server = server
            .add_service(TraceServiceServer::new(receiver.clone()))
            .add_service(MetricsServiceServer::new(receiver.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        receiver
    }

    /// What was received until now.
    pub(crate) fn now(&self) -> Received {
        self.received.lock().unwrap().clone()
    }

    /// Waits until what was received is so.
    pub(crate) async fn until(&self, is_so: impl Fn(&Received) -> bool) -> Received {
        let mut arrived = self.arrived.subscribe();
        let coming = async {
            loop {
                let now = self.now();
                if is_so(&now) {
                    return now;
                }
                arrived.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(LONG, coming).await;
        waited.unwrap_or_else(|_| {
            let now = self.now();
            let spans: Vec<_> = now.spans.iter().map(|span| &span.name).collect();
            let metrics: Vec<_> = now.metrics.iter().map(|metric| &metric.name).collect();
            panic!("it does not come to it: {spans:?} {metrics:?}")
        })
    }

    fn receive(&self, note: impl FnOnce(&mut Received)) {
        note(&mut self.received.lock().unwrap());
        self.arrived.send_modify(|count| *count += 1);
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.receive(|received| {
            received.headers = request.metadata().clone();
            let message = request.into_inner();
            received.bytes.extend(message.encode_to_vec());
            for all in message.resource_spans {
                received.resource = all.resource.unwrap().attributes;
                received.spans.extend(all.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        });
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.receive(|received| {
            received.headers = request.metadata().clone();
            let message = request.into_inner();
            received.bytes.extend(message.encode_to_vec());
            for all in message.resource_metrics {
                received.resource = all.resource.unwrap().attributes;
                let scopes = all.scope_metrics.into_iter();
                received.metrics = scopes.flat_map(|scope| scope.metrics).collect();
            }
        });
        Ok(Response::new(Default::default()))
    }
}

/// The text of an attribute; empty where it is not there or no text.
pub(crate) fn text<'a>(attributes: &'a [KeyValue], name: &str) -> &'a str {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}
