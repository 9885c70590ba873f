//! A directory with certificates, as an operator would lay it out.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use keyward::config::{ClientCertificates, Settings};
use tempfile::TempDir;

use crate::authority::{Authority, Issued};

/// The files, and the authorities behind them.
pub(crate) struct Place {
    directory: TempDir,
    /// Of the server.
    pub(crate) authority: Authority,
    /// Of its clients.
    pub(crate) clients: Authority,
}

impl Place {
    /// With a certificate for the server, and the authority of clients.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
        let place = Self { directory, authority, clients };
        place.swap(&place.authority.server());
        place.write("ca.crt", &place.clients.pem);
        place
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    /// Writes a file in one step, for its owner alone.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let draft = self.file("draft");
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(draft, self.file(name)).unwrap();
    }

    /// Replaces the server's certificate, then its key.
    pub(crate) fn swap(&self, issued: &Issued) {
        self.write("tls.crt", &issued.certificate);
        self.write("tls.key", &issued.key);
    }

    /// Writes the list of callers: identities, scopes and workspaces, all as TOML; none of these are all.
    pub(crate) fn list(&self, callers: &[(&str, &str, &str)]) {
        let entry = |(identity, scopes, workspaces): &(&str, &str, &str)| {
            let workspaces = match *workspaces {
                "" => "workspaces = \"*\"\n".to_owned(),
                list => format!("workspaces = {list}\n"),
            };
            format!("[[callers]]\nidentity = {identity:?}\nscopes = {scopes}\n{workspaces}")
        };
        let text: String = callers.iter().map(entry).collect();
        self.write("callers.toml", if text.is_empty() { "callers = []" } else { &text });
    }

    /// The server speaks TLS.
    pub(crate) fn encrypt(&self, settings: &mut Settings) {
        settings.tls.certificate_file = self.file("tls.crt");
        settings.tls.private_key_file = self.file("tls.key");
    }

    /// And asks clients for certificates.
    pub(crate) fn ask_clients(&self, settings: &mut Settings) {
        self.encrypt(settings);
        settings.tls.client_ca_file = self.file("ca.crt");
    }

    /// And knows callers by them.
    pub(crate) fn know_callers(&self, settings: &mut Settings, asked: ClientCertificates) {
        self.ask_clients(settings);
        settings.tls.callers_file = self.file("callers.toml");
        settings.tls.client_certificates = asked;
    }
}
