//! A server that knows callers by keys and by certificates, with two tenants.

use keyward::{
    config::{ClientCertificates, DatabaseSettings, MigrateOnStart},
    proto,
};
use tonic::transport::Channel;

use crate::{
    client::Client,
    place::Place,
    raw::{Reply, framed, send},
    record::{Reader, Record},
    rows::Row,
    samples::{About, request},
    support::{Caller, Server, fresh::Fresh, policy, reader},
};

/// Which database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// The identifiers of the tenant that bound callers are bound to, and of another; each has a policy of that name.
pub(crate) const OWN: &str = "acme";
pub(crate) const OTHER: &str = "rival";
/// What the principal and the key of each are called that changes are tried on.
pub(crate) const TWIN: &str = "twin";
/// And the key that is asked about.
const ASKED: &str = "asked";
/// How long a replica answers without hearing from its database: no test is about that.
const LEASE_MS: u64 = 60_000;
const POLL_INTERVAL_MS: u64 = 500;
/// How long a database is waited for, which is busy with what other tests do.
const PATIENCE_MS: u64 = 60_000;
/// A secret that is none.
pub(crate) const MALFORMED: &str = "x";

/// Which tenant a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Own,
    Other,
}

impl Target {
    pub(crate) const BOTH: [Self; 2] = [Self::Own, Self::Other];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Own => OWN,
            Self::Other => OTHER,
        }
    }
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) place: Place,
    pub(crate) root: Caller,
    /// A connection without a certificate.
    pub(crate) plain: Channel,
    /// The secret of the key that is asked about, of each tenant. Nothing before they are there.
    secrets: [String; 2],
    reader: Reader,
    /// So that nothing is called what something else was.
    made: u32,
    _files: tempfile::TempDir,
    _database: Option<Fresh>,
}

impl World {
    /// With these callers by certificate: identities, scopes and workspaces. No tenant is there yet.
    pub(crate) async fn new(kind: Kind, listed: &[(&str, &str, &str)]) -> Self {
        let place = Place::new();
        place.list(listed);
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("keyward.db");
        let database = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(Fresh::new().await),
        };
        let server = Server::start_with(|settings| {
            settings.database.path = path.clone();
            if let Some(fresh) = &database {
                let migrate_on_start = MigrateOnStart::Always;
                settings.database = DatabaseSettings { migrate_on_start, ..fresh.settings() };
            }
            settings.database.connect_timeout_ms = PATIENCE_MS;
            settings.database.acquire_timeout_ms = PATIENCE_MS;
            settings.database.statement_timeout_ms = PATIENCE_MS;
            // However long it takes: connections are not opened anew.
            settings.server.max_connection_age_ms = 0;
            settings.replicas.lease_ms = LEASE_MS;
            settings.replicas.poll_interval_ms = POLL_INTERVAL_MS;
            place.know_callers(settings, ClientCertificates::Optional);
        })
        .await;
        let reader = match &database {
            None => Reader::of_file(&path).await,
            Some(fresh) => Reader::of_url(&fresh.url()).await,
        };
        let plain = Client::new(&place.authority.pem).channel(server.address).await.unwrap();
        let root = Caller::on(plain.clone(), Some(&server.root_secret));
        let secrets = [MALFORMED, MALFORMED].map(str::to_owned);
        Self {
            server,
            place,
            root,
            plain,
            secrets,
            reader,
            made: 0,
            _files: files,
            _database: database,
        }
    }

    /// The same, with both tenants.
    pub(crate) async fn furnished(kind: Kind) -> Self {
        let mut world = Self::new(kind, &[]).await;
        world.furnish().await;
        world
    }

    /// Makes the tenants, with what requests are about.
    pub(crate) async fn furnish(&mut self) {
        for target in Target::BOTH {
            let id = target.id();
            self.root.create_policy(id, policy()).await;
            self.root.create_workspace(id, &format!("policies/{id}")).await;
            self.root.create_principal(id, TWIN, "owner").await;
            self.root.create_key(id, TWIN, reader()).await;
            self.secrets[target as usize] = self.root.create_key(id, ASKED, reader()).await.secret;
        }
    }

    /// What is there of a tenant, or would be.
    pub(crate) fn about(&self, target: Target) -> About {
        About::there(target.id(), TWIN, &self.secrets[target as usize])
    }

    /// A request of this row that can be carried out once: whatever it makes is new, and whatever it ends is made for it.
    pub(crate) async fn once(&mut self, row: &Row, target: Target, workspace: &str) -> About {
        self.made += 1;
        let new = format!("made-{}", self.made);
        let id = target.id();
        let mut about = About {
            new_workspace: workspace.to_owned(),
            new_policy: new.clone(),
            new: new.clone(),
            title: format!("Changed {}", self.made),
            ..self.about(target)
        };
        match row.method() {
            "RevokeKey" | "BatchRevokeKeys" => {
                self.root.create_key(id, &new, reader()).await;
                about.id = new;
            }
            "DeletePrincipal" => {
                self.root.create_principal(id, &new, "owner").await;
                about.id = new;
            }
            _ => {}
        }
        about
    }

    /// Takes back what would be in the way of others.
    pub(crate) async fn undo(&mut self, row: &Row, target: Target) {
        if row.method() == "SuspendWorkspace" {
            let name = format!("workspaces/{}", target.id());
            let resume = proto::ResumeWorkspaceRequest { name, ..Default::default() };
            self.root.admin.resume_workspace(resume).await.unwrap();
        }
    }

    /// A connection that shows a certificate of these names.
    pub(crate) async fn certified(&self, names: &[&str]) -> Channel {
        let issued = self.place.clients.client(names);
        let client = Client::with(&self.place.authority.pem, &issued);
        client.channel(self.server.address).await.unwrap()
    }

    /// The secret of a new key of `system`.
    pub(crate) async fn mint(&mut self, key: proto::Key) -> String {
        self.root.create_key("system", "", key).await.secret
    }

    /// Everything that the database holds.
    pub(crate) async fn record(&self) -> Record {
        self.reader.read().await
    }
}

/// Sends the request of a row about something.
pub(crate) async fn ask(
    channel: &Channel,
    headers: http::HeaderMap,
    row: &Row,
    about: &About,
) -> Reply {
    send(channel, &row.path(), headers, framed(&request(row, about).unwrap())).await
}
