//! Whom `keyward health` asks, and how.

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::Failure,
    config::Settings,
    tls::client::{Connector, Trust},
};

/// How to ask over an encrypted connection. Any of these asks so.
#[derive(Debug, Default, Args)]
pub(super) struct Encryption {
    /// Speak TLS, and trust the authorities of the system; as the settings do by themselves
    #[arg(long)]
    tls: bool,
    /// Speak TLS, and trust the authorities in this file, in PEM [default: where the settings
    /// have a certificate, that one alone]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Speak TLS, with a server whose certificate is for this name [default: that of the address]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Speak TLS, and show this certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "private_key_file")]
    certificate_file: Option<PathBuf>,
    /// The private key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate_file")]
    private_key_file: Option<PathBuf>,
}

impl Encryption {
    fn is_asked_for(&self) -> bool {
        let Self { tls, ca_file, server_name, certificate_file, private_key_file } = self;
        *tls || server_name.is_some()
            || [ca_file, certificate_file, private_key_file].into_iter().any(Option::is_some)
    }
}

/// A server to ask.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) address: String,
    /// None: it is asked over a connection that is not encrypted.
    encryption: Option<(Trust, Encryption)>,
}

impl Target {
    /// The one that the arguments name, or else that the settings are of. Of two ports the one for health is asked:
    /// it is never encrypted, and nobody needs a certificate there.
    pub(super) fn new(
        settings: &Settings,
        address: Option<String>,
        encryption: Encryption,
    ) -> Self {
        let health = settings.health.listen.0.map(|address| address.to_string());
        let asked = encryption.is_asked_for();
        let address = address
            .or_else(|| health.clone().filter(|_| !asked))
            .unwrap_or_else(|| settings.server.listen.to_string());
        let own = settings.tls.pair().map(|(certificate, _)| certificate.to_owned());
        let trust = match (&encryption.ca_file, own) {
            (Some(path), _) => Trust::Authorities(path.clone()),
            (None, Some(own)) if !encryption.tls && encryption.server_name.is_none() => {
                Trust::Exactly(own)
            }
            (None, _) => Trust::System,
        };
        let is_encrypted =
            asked || settings.tls.pair().is_some() && health.as_ref() != Some(&address);
        Self { address, encryption: is_encrypted.then_some((trust, encryption)) }
    }

    /// What opens the connection. None: it is not encrypted.
    pub(super) fn connector(&self) -> Result<Option<Connector>, Failure> {
        let Some((trust, encryption)) = &self.encryption else { return Ok(None) };
        let Encryption { server_name, certificate_file, private_key_file, .. } = encryption;
        let own = certificate_file.as_deref().zip(private_key_file.as_deref());
        let host = self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = server_name.as_deref().unwrap_or(host);
        Ok(Some(Connector::new(trust, name, own)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HealthListen;

    const HEALTH: &str = "127.0.0.1:7";

    fn settings(tls: bool, health: bool) -> Settings {
        let mut settings = Settings::default();
        if tls {
            settings.tls.certificate_file = "tls.crt".into();
            settings.tls.private_key_file = "tls.key".into();
        }
        settings.health.listen = HealthListen(health.then(|| ([127, 0, 0, 1], 7).into()));
        settings
    }

    #[track_caller]
    fn check(
        settings: &Settings,
        address: Option<&str>,
        encryption: Encryption,
        expected: (&str, Option<Trust>),
    ) {
        let target = Target::new(settings, address.map(str::to_owned), encryption);
        let trust = target.encryption.map(|(trust, _)| trust);
        assert_eq!((&*target.address, trust), expected);
    }

    fn system() -> Encryption {
        Encryption { tls: true, ..Encryption::default() }
    }

    fn authorities() -> Encryption {
        Encryption { ca_file: Some("ca".into()), ..Encryption::default() }
    }

    #[test]
    fn settings_alone_say_whom_to_ask_and_how() {
        let (none, listen) = (Encryption::default, "127.0.0.1:50051");
        let exactly = || Some(Trust::Exactly("tls.crt".into()));
        check(&settings(false, false), None, none(), (listen, None));
        check(&settings(true, false), None, none(), (listen, exactly()));
        check(&settings(false, true), None, none(), (HEALTH, None));
        check(&settings(true, true), None, none(), (HEALTH, None));
        check(&settings(true, true), Some("a:1"), none(), ("a:1", exactly()));
        check(&settings(true, true), Some(HEALTH), none(), (HEALTH, None));
    }

    #[test]
    fn arguments_win_over_settings() {
        let listen = "127.0.0.1:50051";
        let authority = || Some(Trust::Authorities("ca".into()));
        check(&settings(false, false), Some("a:1"), system(), ("a:1", Some(Trust::System)));
        check(&settings(true, true), None, system(), (listen, Some(Trust::System)));
        check(&settings(true, true), None, authorities(), (listen, authority()));
        check(&settings(false, false), Some("a:1"), authorities(), ("a:1", authority()));
    }
}
