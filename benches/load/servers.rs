//! The servers that are measured: each a process of its own, on cores of its own.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ClientConfig;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// A server has to serve within this.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A process that serves; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where it tells how it is, if it does.
    pub(crate) metrics: Option<SocketAddr>,
    /// How it is spoken to, where that is encrypted.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// How long it took from its start until it served.
    pub(crate) start: Duration,
}

/// Addresses that nobody listens on.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    // All are held until all are known, so that they differ.
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}

impl Server {
    /// Starts a program on these cores, as `taskset` lists them, and waits until it says at an
    /// address, not encrypted, that it serves.
    pub(crate) fn start(
        program: &[&str],
        variables: &[(String, String)],
        (address, health): (SocketAddr, SocketAddr),
        cores: &str,
        log: &std::path::Path,
    ) -> Self {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cores]).args(program).env_clear();
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let log_file = File::options().create(true).append(true).open(log).unwrap();
        let begun = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file).spawn();
        let start = Duration::ZERO;
        let mut server = Self { child: child.unwrap(), address, metrics: None, tls: None, start };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        while !runtime.block_on(serves(health)) {
            let has_ended = server.child.try_wait().unwrap().is_some();
            assert!(!has_ended, "it ended: {}", fs::read_to_string(log).unwrap());
            assert!(begun.elapsed() < READY_WITHIN, "it does not serve");
            std::thread::yield_now();
        }
        server.start = begun.elapsed();
        server
    }

    pub(crate) fn cpu(&self) -> CpuTime {
        CpuTime(self.child.id())
    }

    /// Bytes of memory that are its own.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
    }

    /// What it tells under this name, of all labels together.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut stream = TcpStream::connect(self.metrics.unwrap()).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        };
        let values: Vec<_> = text.lines().filter_map(value).collect();
        assert!(!values.is_empty(), "it does not tell {name}");
        values.into_iter().sum()
    }
}

async fn serves(address: SocketAddr) -> bool {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let Ok(channel) = endpoint.connect().await else { return false };
    let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What CPU a process takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime(u32);

/// How the threads are called that serve connections, in our server.
const FRONT: &str = "front-";

impl CpuTime {
    /// Of all its threads that live, and of those that serve connections, to the nanosecond.
    pub(crate) fn taken(&self) -> (Duration, Duration) {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0)).unwrap();
        let of_thread = |thread: std::io::Result<fs::DirEntry>| {
            // It may end while it is looked at.
            let path = thread.ok()?.path();
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            let taken = Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?);
            let name = fs::read_to_string(path.join("comm")).ok()?;
            let of_front = if name.starts_with(FRONT) { taken } else { Duration::ZERO };
            Some((taken, of_front))
        };
        let add =
            |all: (Duration, Duration), one: (Duration, Duration)| (all.0 + one.0, all.1 + one.1);
        threads.filter_map(of_thread).fold(Default::default(), add)
    }
}
