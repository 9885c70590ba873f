//! An authority, and the certificates that it gives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

/// Gives certificates.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: pem("CERTIFICATE", certificate.der()), issuer: Issuer::new(params, key) }
    }

    fn issue(
        &self,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.contains("://") {
                true => SanType::URI((*name).try_into().unwrap()),
                false => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            certificate: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", &key.serialize_der()),
        }
    }

    /// For the server `localhost`.
    pub(crate) fn server(&self) -> Issued {
        self.issue(&["localhost"], ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// The same, which ended long ago.
    pub(crate) fn ended_server(&self) -> Issued {
        self.issue(&["localhost"], ExtendedKeyUsagePurpose::ServerAuth, |params| {
            params.not_after = date_time_ymd(2020, 1, 1);
        })
    }

    /// The same, which is good after so long.
    pub(crate) fn server_in(&self, left: Duration) -> Issued {
        let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + left;
        self.issue(&["localhost"], ExtendedKeyUsagePurpose::ServerAuth, |params| {
            params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(begin.as_secs());
        })
    }

    /// For a client of these names.
    pub(crate) fn client(&self, names: &[&str]) -> Issued {
        self.issue(names, ExtendedKeyUsagePurpose::ClientAuth, |_| {})
    }

    /// The same, which ends after so long.
    pub(crate) fn client_for(&self, names: &[&str], left: Duration) -> Issued {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + left;
        self.issue(names, ExtendedKeyUsagePurpose::ClientAuth, |params| {
            params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end.as_secs());
        })
    }

    /// The same, which ended long ago.
    pub(crate) fn ended_client(&self, names: &[&str]) -> Issued {
        self.issue(names, ExtendedKeyUsagePurpose::ClientAuth, |params| {
            params.not_after = date_time_ymd(2020, 1, 1);
        })
    }
}
