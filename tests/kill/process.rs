//! The real program on a directory of its own, and clients of it.

use std::{
    fs::OpenOptions,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// How often a started program is asked whether it serves.
const READY_TRIES: usize = 3_000;
const READY_INTERVAL: Duration = Duration::from_millis(10);
/// How many ports are tried: another process may take one between its choice and its use.
const PORT_TRIES: usize = 5;
/// So long a database is waited for that is busy with what other tests do, or whose machine is.
const PATIENT: [(&str, &str); 3] = [
    ("database.connect_timeout_ms", "60000"),
    ("database.acquire_timeout_ms", "60000"),
    ("database.statement_timeout_ms", "60000"),
];
/// The longest lease that there is: no look that a test sets is too rare for it.
const LONGEST_LEASE: (&str, &str) = ("replicas.lease_ms", "60000");

/// A directory with a database and a keyring, which outlives the programs that run on it.
pub(crate) struct Deployment {
    directory: TempDir,
    /// The settings that are not the defaults, as variables.
    variables: Vec<(String, String)>,
}

/// The variable of a setting.
pub(crate) fn variable(setting: &str) -> String {
    format!("KEYWARD__{}", setting.replace('.', "__").to_uppercase())
}

/// A program that serves. It is killed when this is dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// Where it tells how it is.
    pub(crate) metrics: SocketAddr,
}

impl Deployment {
    /// With these settings beside its own. A server is waited for patiently, unless they say how
    /// long it is.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let given = settings.iter().map(|(name, value)| (variable(name), (*value).to_owned()));
        let mut variables: Vec<_> = given.collect();
        let is_given = |name: &str| settings.iter().any(|(given, _)| *given == name);
        if !is_given("database.url") {
            let path = directory.path().join("keyward.db").display().to_string();
            variables.push((variable("database.path"), path));
        } else if !PATIENT.iter().any(|(name, _)| is_given(name)) {
            variables.extend(PATIENT.map(|(name, value)| (variable(name), value.to_owned())));
        }
        Self { directory, variables }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command
            .args(arguments)
            .env_clear()
            .env("KEYWARD__KEYRING__PATH", self.file("keyward.keyring"))
            .env("KEYWARD__SERVER__FRONT_THREADS", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end. It is patient, whatever the settings say of the programs that
    /// serve: nobody asks it again.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let patient = PATIENT.into_iter().chain([LONGEST_LEASE]);
        let patient = patient.map(|(name, value)| (variable(name), value));
        self.command(arguments).envs(patient).output().unwrap()
    }

    /// The secret of a caller that may do everything.
    pub(crate) fn bootstrap(&self) -> String {
        let output = self.run(&["bootstrap"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Starts the program and waits until it says that it serves.
    pub(crate) async fn serve(&self) -> Serving {
        self.start(ServingStatus::Serving).await
    }

    /// Starts the program and waits until it says so of itself.
    pub(crate) async fn start(&self, status: ServingStatus) -> Serving {
        self.start_with(status, &[]).await
    }

    /// The same, with these variables beside those of all.
    pub(crate) async fn start_with(
        &self,
        status: ServingStatus,
        variables: &[(String, String)],
    ) -> Serving {
        for _ in 0..PORT_TRIES {
            // Both are held until both are known, so that they differ.
            let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
            let [address, metrics] = ports.map(|port| port.local_addr().unwrap());
            let log = self.file("keyward.log");
            let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
            let child = self
                .command(&["serve"])
                .envs(variables.iter().map(|(name, value)| (name, value)))
                .env("KEYWARD__SERVER__LISTEN", address.to_string())
                .env("KEYWARD__METRICS__LISTEN", metrics.to_string())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut serving = Serving { child, address, metrics };
            if serving.comes_to(status).await {
                return serving;
            }
        }
        panic!("it does not serve: {}", self.log());
    }

    /// What the programs wrote to standard output and error while they served.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.file("keyward.log")).unwrap()
    }
}

impl Serving {
    /// Whether it comes to say so of itself; not, where it ends.
    pub(crate) async fn comes_to(&mut self, status: ServingStatus) -> bool {
        let mut interval = tokio::time::interval(READY_INTERVAL);
        for _ in 0..READY_TRIES {
            interval.tick().await;
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.says().await == Some(status) {
                return true;
            }
        }
        panic!("{READY_TRIES} tries, and it neither says {status:?} nor ends");
    }

    /// What it says of itself. None: it does not answer.
    pub(crate) async fn says(&self) -> Option<ServingStatus> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let channel = endpoint.connect().await.ok()?;
        let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
        Some(answer.ok()?.into_inner().status())
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, which it was asked for.
    pub(crate) fn end(&mut self) {
        assert!(self.child.wait().unwrap().success());
    }

    /// Ends it without a word before: SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
