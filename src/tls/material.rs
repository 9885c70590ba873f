//! What is in the files: certificates and keys in PEM (RFC 7468).

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    Error, InconsistentKeys, RootCertStore, SignatureAlgorithm,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};

use super::{date::date, provider, shown};
use crate::{
    callers::{self, Callers, InvalidCallers},
    config::ClientCertificates,
    domain::time::Timestamp,
    files::private::{self, PrivateFileError},
};
pub use shown::Span;

/// The largest file of certificates: some hundred authorities.
const CERTIFICATES_BYTES_MAX: usize = 1024 * 1024;
/// The largest file of a key.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// The longest public key of RSA with 2048 bits, in DER (SubjectPublicKeyInfo): 294, and some for a long exponent.
const RSA_2048_BYTES_MAX: usize = 310;

/// One thing wrong with a file. Names the setting and the file, and tells nothing of what a key's file holds.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("{setting}: cannot read {}: {cause}", .path.display())]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is no text in PEM.
    #[error("{setting}: {} is damaged: {cause}; write it again", .path.display())]
    Damaged {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the reader of PEM said.
        cause: pem::Error,
    },
    /// Nothing in it is a certificate.
    #[error("{setting}: {} holds no certificate in PEM (BEGIN CERTIFICATE)", .path.display())]
    NoCertificate {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Something in it is not the certificate that it says it is.
    #[error("{setting}: {} holds a certificate that is none: {cause}", .path.display())]
    BadCertificate {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The file of the key cannot be used.
    #[error("{setting}: {cause}")]
    KeyFile {
        /// The setting that names the file.
        setting: &'static str,
        /// Why not.
        cause: PrivateFileError,
    },
    /// Nothing in it is a key.
    #[error("{setting}: {} holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted)", .path.display())]
    NoKey {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A key of a kind that is not known, or one that is damaged.
    #[error("{setting}: the private key in {} cannot be used: RSA, ECDSA on P-256 or P-384, and Ed25519 can", .path.display())]
    BadKey {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The key is another certificate's.
    #[error(
        "{setting}: the private key in {} does not belong to the certificate in {}; give the two that were made together",
        .path.display(), .certificate.display()
    )]
    Mismatch {
        /// The setting that names the file of the key.
        setting: &'static str,
        /// The file of the key.
        path: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The list of callers says nothing that could be meant.
    #[error("tls.callers_file: {}: {cause}", .path.display())]
    Callers {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its lines.
        cause: InvalidCallers,
    },
    /// The certificate is of no use now, while the one before is.
    #[error(
        "{setting}: the certificate in {} is good from {} until {}, and so not now; write one that is",
        .path.display(), date(.span.begin), date(.span.end)
    )]
    NotNow {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// When it is.
        span: Span,
    },
    /// It was refused for a reason that no file explains.
    #[error("tls: {0}")]
    Refused(String),
}

/// The names of the settings, or options, that name a certificate and its key.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) certificate: &'static str,
    pub(super) key: &'static str,
}

/// A certificate with its key.
pub(super) struct Pair {
    pub(super) certified: CertifiedKey,
    /// When the first of the certificates ends.
    pub(super) end: Timestamp,
    /// When the server's own is good.
    pub(super) span: Span,
    /// Whether each handshake takes long with this key: RSA of more than 2048 bits.
    is_slow: bool,
}

impl Pair {
    /// Says so where it is slow. To be called once, when it is to be in force.
    pub(super) fn warn_of_slow(&self) {
        if self.is_slow {
            tracing::warn!(
                "an RSA key of more than 2048 bits costs the threads that answer some milliseconds for each new \
                 connection: one of ECDSA on P-256 costs a fraction of that"
            );
        }
    }

    /// Reads both, and sees to it that they belong together. Blocks.
    pub(super) fn read(names: Names, certificate: &Path, key: &Path) -> Result<Self, Vec<Problem>> {
        let chain = certificates(names.certificate, certificate);
        let read = private_key(names.key, key);
        let (chain, read) = match (chain, read) {
            (Ok(chain), Ok(read)) => (chain, read),
            (chain, read) => return Err(chain.err().into_iter().chain(read.err()).collect()),
        };
        let setting = names.key;
        let bad = |cause: String| {
            let (setting, path) = (names.certificate, certificate.to_owned());
            Problem::BadCertificate { setting, path, cause }
        };
        let span = chain.first().and_then(shown::span);
        let mut end = Timestamp::MAX;
        for (place, one) in (1..).zip(&chain) {
            let number = || vec![bad(format!("number {place} cannot be read"))];
            end = end.min(shown::end(one).ok_or_else(number)?);
        }
        let span = span.ok_or_else(|| vec![bad("it cannot be read".to_owned())])?;
        let signing = provider().key_provider.load_private_key(read);
        let path = || key.to_owned();
        let signing = signing.map_err(|_| vec![Problem::BadKey { setting, path: path() }])?;
        let is_slow = signing.algorithm() == SignatureAlgorithm::RSA
            && signing.public_key().is_some_and(|key| key.len() > RSA_2048_BYTES_MAX);
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) => Ok(Self { certified, end, span, is_slow }),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let certificate = certificate.to_owned();
                Err(vec![Problem::Mismatch { setting, path: path(), certificate }])
            }
            Err(error) => Err(vec![bad(error.to_string())]),
        }
    }
}

/// What verifies the certificates of clients by the authorities in a file. Blocks.
pub(super) fn verifier(
    path: &Path,
    policy: ClientCertificates,
) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let roots = Arc::new(roots("tls.client_ca_file", path)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let builder = match policy {
        ClientCertificates::Unsaid | ClientCertificates::Required => builder,
        ClientCertificates::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| Problem::Refused(error.to_string()))
}

/// The authorities in a file. Blocks.
pub(super) fn roots(setting: &'static str, path: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(setting, path)? {
        roots.add(certificate).map_err(|error| {
            let (path, cause) = (path.to_owned(), error.to_string());
            Problem::BadCertificate { setting, path, cause }
        })?;
    }
    Ok(roots)
}

/// The list of callers in a file. Blocks.
pub(super) fn callers(path: &Path) -> Result<Callers, Problem> {
    let setting = "tls.callers_file";
    let bytes = read(path, callers::BYTES_MAX);
    let text = bytes.and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
    });
    let text =
        text.map_err(|cause| Problem::Unreadable { setting, path: path.to_owned(), cause })?;
    text.parse().map_err(|cause| Problem::Callers { path: path.to_owned(), cause })
}

/// The certificates in a file, at least one, in their order.
pub(super) fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let own = || path.to_owned();
    let bytes = read(path, CERTIFICATES_BYTES_MAX).map_err(|cause| Problem::Unreadable {
        setting,
        path: own(),
        cause,
    })?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let all = all.map_err(|cause| Problem::Damaged { setting, path: own(), cause })?;
    if all.is_empty() {
        return Err(Problem::NoCertificate { setting, path: own() });
    }
    Ok(all)
}

fn private_key(setting: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let bytes =
        private::read(path, KEY_BYTES_MAX).map_err(|cause| Problem::KeyFile { setting, cause })?;
    // What the reader says of a damaged key could quote it.
    PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| Problem::NoKey { setting, path: path.to_owned() })
}

/// All of a regular file. Opening anything else could wait for ever.
fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let said = format!("it has more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, said));
    }
    Ok(bytes)
}
