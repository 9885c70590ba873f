//! Encrypted connections that this program opens itself, to ask a server whether it serves.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ALL_VERSIONS, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    H2, InvalidTls,
    material::{self, Names, Pair, Problem},
    provider,
};

/// The options that name the client's certificate and its key.
const NAMES: Names = Names { certificate: "--certificate-file", key: "--private-key-file" };

/// Whom to take for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever has a certificate for the name, by an authority in this file.
    Authorities(PathBuf),
    /// The same, by an authority that the system trusts.
    System,
    /// Whoever has the first certificate in this file, whatever its name is: the server that these settings are of.
    Exactly(PathBuf),
}

/// Opens encrypted connections.
#[derive(Clone)]
pub struct Connector {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    /// To whom `trust` says, by this name; with a certificate of its own, where its file and that of its key are
    /// given. Blocks while files are read.
    ///
    /// # Errors
    ///
    /// All that is wrong with the files, or with the name.
    pub fn new(trust: &Trust, name: &str, own: Option<(&Path, &Path)>) -> Result<Self, InvalidTls> {
        let own = own.map(|(certificate, key)| Pair::read(NAMES, certificate, key)).transpose();
        let verifier = verifier(trust);
        let name = ServerName::try_from(name.to_owned()).map_err(|InvalidDnsNameError| {
            Problem::Refused(format!(
                "{name:?} is no name of a server: give one with --server-name"
            ))
        });
        match (own, verifier, name) {
            (Ok(own), Ok(verifier), Ok(name)) => {
                let config = config(verifier, own).map_err(|problem| InvalidTls(vec![problem]))?;
                Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
            }
            (own, verifier, name) => {
                let own = own.err().into_iter().flatten();
                Err(InvalidTls(own.chain(verifier.err()).chain(name.err()).collect()))
            }
        }
    }

    /// Agrees with the server on encryption and on HTTP/2.
    ///
    /// # Errors
    ///
    /// Where the two do not agree, or the server is not whom it is taken for.
    pub async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            let said = "the server does not say that it speaks HTTP/2 (ALPN h2)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, said));
        }
        Ok(stream)
    }
}

fn config(verifier: Verifier, own: Option<Pair>) -> Result<ClientConfig, Problem> {
    let refused = |error: Error| Problem::Refused(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(ALL_VERSIONS).map_err(refused)?;
    let builder = match verifier {
        Verifier::Roots(roots) => builder.with_root_certificates(roots),
        Verifier::One(one) => builder.dangerous().with_custom_certificate_verifier(Arc::new(one)),
    };
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let own = rustls::sign::SingleCertAndKey::from(own.certified);
            builder.with_client_cert_resolver(Arc::new(own))
        }
    };
    config.alpn_protocols = vec![H2.to_vec()];
    Ok(config)
}

enum Verifier {
    Roots(RootCertStore),
    One(OneCertificate),
}

fn verifier(trust: &Trust) -> Result<Verifier, Problem> {
    match trust {
        Trust::Authorities(path) => material::roots("--ca-file", path).map(Verifier::Roots),
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let said = "the system trusts no authority: give one with --ca-file".to_owned();
                return Err(Problem::Refused(said));
            }
            Ok(Verifier::Roots(roots))
        }
        Trust::Exactly(path) => {
            let all = material::certificates("tls.certificate_file", path)?;
            let expected = all.into_iter().next().ok_or_else(|| {
                let (setting, path) = ("tls.certificate_file", path.clone());
                Problem::NoCertificate { setting, path }
            })?;
            Ok(Verifier::One(OneCertificate { expected, provider: provider() }))
        }
    }
}

/// Takes one certificate for the server's, and no other. That the server has its key is verified as always.
#[derive(Debug)]
struct OneCertificate {
    expected: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OneCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if end_entity == &self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
