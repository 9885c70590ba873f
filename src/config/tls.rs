//! Settings of encrypted connections, and of the port for health beside them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Problem;

/// Whether, and how, connections are encrypted, and who may open one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// The server's certificate and those between it and its authority, in PEM. Empty: connections are not encrypted.
    pub certificate_file: PathBuf,
    /// The private key of the certificate, in PEM.
    pub private_key_file: PathBuf,
    /// The authorities of clients' certificates, in PEM. Empty: clients show none.
    pub client_ca_file: PathBuf,
    /// The list of callers that need no key. Empty: there are none.
    pub callers_file: PathBuf,
    /// Whether every client must show a certificate. Said without authorities for them, it is refused.
    pub client_certificates: ClientCertificates,
}

impl TlsSettings {
    /// The certificate's file and the key's. None: connections are not encrypted.
    #[must_use]
    pub fn pair(&self) -> Option<(&Path, &Path)> {
        given(&self.certificate_file).zip(given(&self.private_key_file))
    }

    /// The file of the authorities of clients, where there are some.
    #[must_use]
    pub fn client_ca(&self) -> Option<&Path> {
        given(&self.client_ca_file)
    }

    /// The list of callers that need no key, where there is one.
    #[must_use]
    pub fn callers(&self) -> Option<&Path> {
        given(&self.callers_file)
    }

    /// Every half of a configuration.
    pub(super) fn contradictions(&self) -> Vec<Problem> {
        let Self { certificate_file, private_key_file, client_ca_file, callers_file, .. } = self;
        let needs = [
            ("tls.certificate_file", certificate_file, "tls.private_key_file", private_key_file),
            ("tls.private_key_file", private_key_file, "tls.certificate_file", certificate_file),
            ("tls.client_ca_file", client_ca_file, "tls.certificate_file", certificate_file),
            ("tls.callers_file", callers_file, "tls.client_ca_file", client_ca_file),
        ];
        let half = needs
            .into_iter()
            .filter(|(_, is, _, needed)| given(is).is_some() && given(needed).is_none());
        let mut problems: Vec<_> = half
            .map(|(name, is, needed, _)| Problem::Refused {
                name,
                value: format!("{is:?}"),
                bound: format!("set together with {needed}, which is missing"),
            })
            .collect();
        let policy = self.client_certificates;
        if policy != ClientCertificates::Unsaid && given(client_ca_file).is_none() {
            problems.push(Problem::Refused {
                name: "tls.client_certificates",
                value: policy.name().to_owned(),
                bound: "set together with tls.client_ca_file, which is missing: without authorities no client is asked \
                        for a certificate"
                    .to_owned(),
            });
            return problems;
        }
        let optional = policy == ClientCertificates::Optional;
        if optional && given(callers_file).is_none() {
            problems.push(Problem::Refused {
                name: "tls.client_certificates",
                value: "optional".to_owned(),
                bound: "required, or set together with tls.callers_file, which is missing: without it a certificate \
                        that need not be shown is of no use"
                    .to_owned(),
            });
        }
        problems
    }
}

fn given(path: &Path) -> Option<&Path> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

/// Whether every client must show a certificate, where there are authorities for them.
///
/// It must, unless somebody says otherwise: an authority for clients is set to keep all others out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ClientCertificates {
    /// Nobody said anything, and so it must where there are authorities for clients.
    #[default]
    Unsaid,
    /// It must.
    Required,
    /// It may: who shows none calls with a key.
    Optional,
}

impl ClientCertificates {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unsaid => "",
            Self::Required => "required",
            Self::Optional => "optional",
        }
    }
}

impl TryFrom<String> for ClientCertificates {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        [Self::Unsaid, Self::Required, Self::Optional]
            .into_iter()
            .find(|word| word.name() == given)
            .ok_or_else(|| format!("invalid word {given:?}, expected required or optional"))
    }
}

/// The port for health, which is never encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSettings {
    /// Address and port to listen on.
    pub listen: HealthListen,
}

/// An address and port for health, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HealthListen(pub Option<SocketAddr>);

impl HealthListen {
    pub(super) fn shown(self) -> String {
        self.0.map(|address| address.to_string()).unwrap_or_default()
    }
}

impl TryFrom<String> for HealthListen {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        match &*given {
            "" => Ok(Self(None)),
            text => match text.parse() {
                Ok(address) => Ok(Self(Some(address))),
                Err(_) => {
                    Err(format!("invalid address {given:?}, expected ADDRESS:PORT or nothing"))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use crate::config::{Problem, Settings};

    fn problems(given: &[(&str, &str)]) -> Vec<String> {
        let variables = given.iter().map(|(name, value)| {
            let name = name.replace('.', "__").to_uppercase();
            (format!("KEYWARD__{name}"), (*value).to_owned())
        });
        match Settings::load(None, variables) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems().iter().map(Problem::to_string).collect(),
        }
    }

    #[track_caller]
    fn check(given: &[(&str, &str)], expected: &[(&str, &str)]) {
        let problems = problems(given);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, (name, missing)) in problems.iter().zip(expected) {
            assert!(problem.starts_with(name), "{problem}");
            assert!(problem.contains(&format!("{missing}, which is missing")), "{problem}");
        }
    }

    const CERTIFICATE: (&str, &str) = ("tls.certificate_file", "tls.crt");
    const KEY: (&str, &str) = ("tls.private_key_file", "tls.key");
    const CA: (&str, &str) = ("tls.client_ca_file", "ca.crt");
    const CALLERS: (&str, &str) = ("tls.callers_file", "callers.toml");
    const REQUIRED: (&str, &str) = ("tls.client_certificates", "required");
    const UNSAID: (&str, &str) = ("tls.client_certificates", "");
    const OPTIONAL: (&str, &str) = ("tls.client_certificates", "optional");

    #[test]
    fn half_a_configuration_is_refused_and_what_is_missing_is_named() {
        check(&[CERTIFICATE], &[(CERTIFICATE.0, KEY.0)]);
        check(&[KEY], &[(KEY.0, CERTIFICATE.0)]);
        check(&[CA], &[(CA.0, CERTIFICATE.0)]);
        check(&[CERTIFICATE, KEY, CALLERS], &[(CALLERS.0, CA.0)]);
        check(&[CERTIFICATE, KEY, CA, OPTIONAL], &[(OPTIONAL.0, CALLERS.0)]);
        for said in [REQUIRED, OPTIONAL] {
            check(&[CERTIFICATE, KEY, said], &[(said.0, CA.0)]);
            check(&[said], &[(said.0, CA.0)]);
        }
        check(&[CERTIFICATE, CA, OPTIONAL], &[(CERTIFICATE.0, KEY.0), (OPTIONAL.0, CALLERS.0)]);
    }

    #[test]
    fn a_whole_configuration_is_taken() {
        for whole in [
            &[][..],
            &[CERTIFICATE, KEY],
            &[CERTIFICATE, KEY, UNSAID],
            &[CERTIFICATE, KEY, CA],
            &[CERTIFICATE, KEY, CA, REQUIRED],
            &[CERTIFICATE, KEY, CA, CALLERS],
            &[CERTIFICATE, KEY, CA, CALLERS, OPTIONAL],
        ] {
            check(whole, &[]);
        }
    }

    #[test]
    fn words_and_addresses_that_are_none_are_refused() {
        for given in [("tls.client_certificates", "maybe"), ("health.listen", "50052")] {
            let problems = problems(&[given]);
            assert!(problems.concat().contains("expected"), "{problems:?}");
        }
    }

    #[test]
    fn the_port_for_health_is_none_unless_it_is_given() {
        let load = |given: &str| {
            let variable = ("KEYWARD__HEALTH__LISTEN".to_owned(), given.to_owned());
            Settings::load(None, std::iter::once(variable)).unwrap().health.listen.0
        };
        assert_eq!(load(""), None);
        assert_eq!(load("127.0.0.1:50052"), Some(([127, 0, 0, 1], 50_052).into()));
    }
}
