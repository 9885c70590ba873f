//! Deployments with many keys, which are made once and kept beside what is built.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Instant,
};

use keyward::proto;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tempfile::TempDir;

use crate::{
    authority::Authority,
    caller::Caller,
    cases::{SCOPE, question},
    servers::{Server, free_addresses},
};

const POLICY: &str = "policies/bench";
const WORKSPACE: &str = "workspaces/bench";
/// As many as one call makes.
const BATCH: usize = 1_000;
/// Scopes that the policy knows, of which each key has the first ten.
const SCOPES: usize = 20;
const SCOPES_OF_KEY: usize = 10;
/// What the names of copies begin with.
const COPY: &str = "copy-";
/// What keys look like: another one where that changes, so that none of before is taken for it.
const SHAPE: &str = "1: 10 scopes of 20, 3 CIDRs, 2 limits";

/// A database with keys in it, and the secrets to ask about them.
pub(crate) struct Deployment {
    directory: PathBuf,
    /// Where it is a copy: what goes with it.
    _copy: Option<TempDir>,
    /// Of a caller that may do everything.
    pub(crate) caller: String,
    pub(crate) secrets: Vec<String>,
}

impl Deployment {
    /// The one with so many keys: each with ten scopes, three CIDRs, and limits of its own and of
    /// its workspace.
    pub(crate) fn with(count: usize) -> Self {
        let directory = kept().join(format!("keys-{count}"));
        let marker = directory.join("shape");
        if fs::read_to_string(&marker).is_ok_and(|shape| shape == SHAPE) {
            let file = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
            let secrets = file("secrets").lines().map(str::to_owned).collect();
            let caller = file("caller");
            return Self { directory, _copy: None, caller, secrets };
        }
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let begun = Instant::now();
        let (caller, secrets) = (String::new(), Vec::new());
        let mut deployment = Self { directory, _copy: None, caller, secrets };
        deployment.make(count);
        println!("{count} keys made in {:.1?}", begun.elapsed());
        fs::write(marker, SHAPE).unwrap();
        deployment
    }

    /// The same in another directory, so that it can be served beside this one.
    pub(crate) fn copy(&self) -> Self {
        let copy = TempDir::with_prefix_in(COPY, kept()).unwrap();
        for file in fs::read_dir(&self.directory).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let directory = copy.path().to_owned();
        let (caller, secrets) = (self.caller.clone(), self.secrets.clone());
        Self { directory, _copy: Some(copy), caller, secrets }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let in_directory = |name: &str| self.directory.join(name).display().to_string();
        let settings = [
            ("database.path", in_directory("keyward.db")),
            ("keyring.path", in_directory("keyward.keyring")),
        ];
        settings.map(|(name, value)| (variable(name), value)).to_vec()
    }

    /// Serves it on these cores, with these settings beside the defaults.
    pub(crate) fn serve(&self, cores: &str, settings: &[(&str, &str)]) -> Server {
        let [address, metrics, health] = free_addresses();
        let own = [
            ("server.listen", address.to_string()),
            ("metrics.listen", metrics.to_string()),
            ("health.listen", health.to_string()),
        ];
        let mut variables = self.variables();
        variables.extend(own.map(|(name, value)| (variable(name), value)));
        variables
            .extend(settings.iter().map(|(name, value)| (variable(name), (*value).to_owned())));
        let program = [env!("CARGO_BIN_EXE_keyward"), "serve"];
        let log = self.directory.join("keyward.log");
        let mut server = Server::start(&program, &variables, (address, health), cores, &log);
        server.metrics = Some(metrics);
        server
    }

    /// The same, encrypted.
    pub(crate) fn serve_tls(&self, cores: &str) -> Server {
        let authority = Authority::new("bench");
        let issued = authority.server();
        let file = |name: &str, text: &str| {
            let path = self.directory.join(name);
            let _ = fs::remove_file(&path);
            // A key is nobody else's business, or it is not taken.
            let mut open = fs::OpenOptions::new();
            let mut file = open.write(true).create_new(true).mode(0o600).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            path.display().to_string()
        };
        let certificate = file("certificate.pem", &issued.certificate);
        let key = file("certificate.key", &issued.key);
        let settings = [("tls.certificate_file", &*certificate), ("tls.private_key_file", &*key)];
        let mut server = self.serve(cores, &settings);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        server.tls = Some(Arc::new(config));
        server
    }

    fn make(&mut self, count: usize) {
        let bootstrap = Command::new(env!("CARGO_BIN_EXE_keyward"))
            .arg("bootstrap")
            .env_clear()
            .envs(self.variables())
            .output()
            .unwrap();
        assert!(bootstrap.status.success(), "{bootstrap:?}");
        self.caller = String::from_utf8(bootstrap.stdout).unwrap().trim_end().to_owned();
        let server = self.serve("0-1", &[]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        self.secrets = runtime.block_on(make(&server, &self.caller, count));
        fs::write(self.directory.join("caller"), &self.caller).unwrap();
        fs::write(self.directory.join("secrets"), self.secrets.join("\n")).unwrap();
    }
}

/// Where deployments are kept.
fn kept() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("bench")
}

/// Removes the copies of a run that did not come to its end: they take much room.
pub(crate) fn tidy() {
    for left in fs::read_dir(kept()).into_iter().flatten() {
        let left = left.unwrap();
        if left.file_name().to_string_lossy().starts_with(COPY) {
            fs::remove_dir_all(left.path()).unwrap();
        }
    }
}

fn variable(setting: &str) -> String {
    format!("KEYWARD__{}", setting.replace('.', "__").to_uppercase())
}

async fn make(server: &Server, secret: &str, count: usize) -> Vec<String> {
    let mut caller = Caller::connect(server.address, secret).await;
    let request = proto::CreatePolicyRequest {
        policy_id: "bench".to_owned(),
        policy: Some(policy()),
        ..Default::default()
    };
    caller.admin.create_policy(request).await.unwrap();
    let workspace = proto::Workspace {
        policy: POLICY.to_owned(),
        plan: "busy".to_owned(),
        ..Default::default()
    };
    let request = proto::CreateWorkspaceRequest {
        workspace_id: "bench".to_owned(),
        workspace: Some(workspace),
        ..Default::default()
    };
    caller.admin.create_workspace(request).await.unwrap();
    let mut secrets = Vec::with_capacity(count);
    while secrets.len() < count {
        let requests = (0..BATCH.min(count - secrets.len())).map(|_| creation()).collect();
        let request = proto::BatchCreateKeysRequest {
            parent: WORKSPACE.to_owned(),
            requests,
            ..Default::default()
        };
        let made = caller.admin.batch_create_keys(request).await.unwrap().into_inner();
        secrets.extend(made.responses.into_iter().map(|made| made.secret));
    }
    // What is measured is measured of answers that say yes, and that have everything in them.
    let asked = question(&secrets[0], proto::IntrospectView::Full);
    let answer = caller.introspect.introspect(asked).await.unwrap().into_inner();
    assert_eq!(answer.decision(), proto::Decision::Allow, "{answer:?}");
    assert_eq!(answer.effective_scopes.len(), SCOPES_OF_KEY);
    assert_eq!(answer.limits.len(), 2);
    secrets
}

fn policy() -> proto::Policy {
    let scope = |number| proto::Scope { name: named(number), ..Default::default() };
    // As much as there may be: what is measured is never refused.
    let limit = |name: &str| proto::RateLimit {
        name: name.to_owned(),
        quota: 1_000_000_000,
        window: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    proto::Policy {
        display_name: "Bench".to_owned(),
        scopes: (0..SCOPES).map(scope).collect(),
        key_types: vec![proto::KeyType {
            name: "live".to_owned(),
            prefix: "bench_live".to_owned(),
            is_default: true,
            ..Default::default()
        }],
        plans: vec![proto::Plan {
            name: "busy".to_owned(),
            key_limits: vec![limit("key")],
            workspace_limits: vec![limit("all")],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn named(number: usize) -> String {
    SCOPE.replace('0', &number.to_string())
}

fn creation() -> proto::CreateKeyRequest {
    let grant = |number| proto::Grant { scope: named(number), ..Default::default() };
    let cidrs = ["203.0.113.0/24", "198.51.100.0/24", "2001:db8::/32"];
    proto::CreateKeyRequest {
        key: Some(proto::Key {
            display_name: "A key of the bench".to_owned(),
            grants: (0..SCOPES_OF_KEY).map(grant).collect(),
            allowed_cidrs: cidrs.map(str::to_owned).to_vec(),
            ..Default::default()
        }),
        ..Default::default()
    }
}
