//! Who is at the other end of a connection, by the certificate that was shown there.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use super::time::Timestamp;

/// The scheme of a SPIFFE ID.
const SPIFFE_SCHEME: &str = "spiffe:";
/// What identities of workloads begin with (SPIFFE ID, section 2).
const SPIFFE: &str = "spiffe://";
/// What identities by a host's name begin with, as they are written here.
const DNS: &str = "dns:";
/// The longest SPIFFE ID, in bytes (SPIFFE ID, section 2.3).
const SPIFFE_LENGTH_MAX: usize = 2_048;
/// The longest name of a trust domain, in bytes (SPIFFE ID, section 2.3).
const TRUST_DOMAIN_LENGTH_MAX: usize = 255;
/// The longest name of a host, in bytes (RFC 1035, section 2.3.4).
const DNS_LENGTH_MAX: usize = 253;
/// The longest part of one, in bytes.
const LABEL_LENGTH_MAX: usize = 63;

/// One name that a certificate vouches for: `spiffe://DOMAIN/PATH`, or `dns:HOST` in small letters. Two are the same
/// only where they are so byte by byte; nothing in them stands for anything else.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Arc<str>);

/// A text that is no [`Identity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// It begins with neither.
    #[error("must begin with spiffe:// or dns:")]
    Kind,
    /// A wildcard.
    #[error("must be one whole name: `*` stands for nothing here, list each name")]
    Wildcard,
    /// No SPIFFE ID.
    #[error(
        "must be a SPIFFE ID: spiffe://DOMAIN/PATH of at most 2048 bytes, the domain of a-z, 0-9, `.`, `-` and `_`, \
         parts of the path of A-Z, a-z, 0-9, `.`, `-` and `_`, none of them empty, `.` or `..`"
    )]
    Spiffe,
    /// No name of a host.
    #[error(
        "must be dns: and the name of a host: parts of 1 to 63 of a-z, 0-9, `-` and `_` with dots between them, at \
         most 253 bytes"
    )]
    Dns,
}

impl Identity {
    /// The identity that a list of callers writes so.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentity`].
    pub fn parse(text: &str) -> Result<Self, InvalidIdentity> {
        if text.contains('*') {
            return Err(InvalidIdentity::Wildcard);
        }
        match text.strip_prefix(DNS) {
            Some(host) => Self::dns(host),
            None if text.starts_with(SPIFFE) => Self::spiffe(text),
            None => Err(InvalidIdentity::Kind),
        }
    }

    /// The identity of a URI in a certificate.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentity::Spiffe`]: the URI is no SPIFFE ID.
    pub fn spiffe(uri: &str) -> Result<Self, InvalidIdentity> {
        let rest = uri.strip_prefix(SPIFFE).filter(|_| uri.len() <= SPIFFE_LENGTH_MAX);
        let mut parts = rest.ok_or(InvalidIdentity::Spiffe)?.split('/');
        let in_domain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
        };
        let is_domain = |text: &str| {
            (1..=TRUST_DOMAIN_LENGTH_MAX).contains(&text.len()) && text.bytes().all(in_domain)
        };
        let in_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_part = |text: &str| !matches!(text, "" | "." | "..") && text.bytes().all(in_part);
        if parts.next().is_some_and(is_domain) && parts.all(is_part) {
            Ok(Self(uri.into()))
        } else {
            Err(InvalidIdentity::Spiffe)
        }
    }

    /// The identity of the name of a host in a certificate, whose letters are made small (RFC 4343).
    ///
    /// # Errors
    ///
    /// [`InvalidIdentity::Dns`]: it is no name of a host, or one with a wildcard.
    pub fn dns(host: &str) -> Result<Self, InvalidIdentity> {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_label =
            |text: &str| (1..=LABEL_LENGTH_MAX).contains(&text.len()) && text.bytes().all(inner);
        if host.len() <= DNS_LENGTH_MAX && host.split('.').all(is_label) {
            Ok(Self(format!("{DNS}{}", host.to_ascii_lowercase()).into()))
        } else {
            Err(InvalidIdentity::Dns)
        }
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether something on which a caller is known still counts. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Standing(Arc<AtomicBool>);

impl Standing {
    /// It counts no more, for ever.
    pub fn withdraw(&self) {
        self.0.store(true, SeqCst);
    }

    /// Whether it counts no more.
    pub fn is_withdrawn(&self) -> bool {
        self.0.load(SeqCst)
    }
}

/// A certificate that a client showed and that was verified.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The names that it vouches for: its SPIFFE ID alone, or those of hosts in their order. None: it names nobody
    /// who could be known.
    pub identities: Vec<Identity>,
    /// When it ends.
    pub end: Timestamp,
    /// Withdrawn when the authorities are others, none of which vouches for it.
    pub standing: Standing,
}

impl Presented {
    /// A certificate with these names, as they are in it. One with a SPIFFE ID has no other URI (X.509-SVID, section
    /// 2), and is known by it alone; of one that breaks this rule, or whose URI is merely like a SPIFFE ID, nobody is
    /// known.
    pub fn new<'a>(
        uris: impl Iterator<Item = &'a str>,
        hosts: impl Iterator<Item = &'a str>,
        end: Timestamp,
    ) -> Self {
        let uris: Vec<&str> = uris.collect();
        // The scheme of a URI is read without regard to case (RFC 3986, section 3.1).
        let is_spiffe = |uri: &&str| {
            let scheme = uri.trim_start().as_bytes().get(..SPIFFE_SCHEME.len());
            scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SPIFFE_SCHEME.as_bytes()))
        };
        let identities = if uris.iter().any(is_spiffe) {
            match *uris {
                [uri] => Identity::spiffe(uri).into_iter().collect(),
                _ => Vec::new(),
            }
        } else {
            hosts.filter_map(|host| Identity::dns(host).ok()).collect()
        };
        Self { identities, end, standing: Standing::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, InvalidIdentity>) {
        let expected = expected.map(|text| Identity(text.into()));
        assert_eq!(Identity::parse(text), expected, "{text}");
    }

    #[test]
    fn identities_are_read_as_they_are_written() {
        for text in
            ["spiffe://acme.example/ns/shop/sa/checkout", "spiffe://a", "dns:checkout.shop.svc"]
        {
            check(text, Ok(text));
        }
        check("dns:Checkout.SHOP", Ok("dns:checkout.shop"));
        check("spiffe://acme/Shop", Ok("spiffe://acme/Shop"));
        let longest = format!("spiffe://a/{}", "x".repeat(2_037));
        check(&longest, Ok(&longest));
    }

    #[test]
    fn what_is_none_is_refused_for_its_reason() {
        for text in ["", "acme", "https://acme.example", "SPIFFE://acme/x", "dns"] {
            check(text, Err(InvalidIdentity::Kind));
        }
        for text in ["dns:*.acme.example", "spiffe://acme/*", "*"] {
            check(text, Err(InvalidIdentity::Wildcard));
        }
        for text in [
            "spiffe://",
            "spiffe:///path",
            "spiffe://Acme/x",
            "spiffe://acme/",
            "spiffe://acme//x",
            "spiffe://acme/../x",
            "spiffe://acme/./x",
            "spiffe://acme:443/x",
            "spiffe://user@acme/x",
            "spiffe://acme/x?y",
            "spiffe://acme/x#y",
            "spiffe://acme/x%20y",
            &format!("spiffe://{}/x", "a".repeat(256)),
            &format!("spiffe://a/{}", "x".repeat(2_038)),
        ] {
            check(text, Err(InvalidIdentity::Spiffe));
        }
        for text in [
            "dns:",
            "dns:.",
            "dns:a..b",
            "dns:a.",
            "dns:a b",
            "dns:a:443",
            &format!("dns:{}", "a".repeat(64)),
            &format!("dns:{}a", "a.".repeat(127)),
        ] {
            check(text, Err(InvalidIdentity::Dns));
        }
    }

    #[track_caller]
    fn presented(uris: &[&str], hosts: &[&str], expected: &[&str]) {
        let end = Timestamp::from_micros(7);
        let presented = Presented::new(uris.iter().copied(), hosts.iter().copied(), end);
        let names: Vec<&str> = presented.identities.iter().map(Identity::as_str).collect();
        assert_eq!((&*names, presented.end), (expected, end));
    }

    #[test]
    fn a_certificate_is_known_by_its_one_spiffe_id_or_by_its_hosts() {
        presented(&["spiffe://acme/a"], &[], &["spiffe://acme/a"]);
        presented(&["spiffe://acme/a"], &["a.acme"], &["spiffe://acme/a"]);
        presented(&[], &["B.acme", "a.acme"], &["dns:b.acme", "dns:a.acme"]);
        presented(&["https://acme/a"], &["a.acme"], &["dns:a.acme"]);
        presented(&[], &[], &[]);
    }

    #[test]
    fn a_certificate_that_breaks_the_rules_of_spiffe_is_nobodys() {
        presented(&["spiffe://acme/a", "spiffe://acme/b"], &["a.acme"], &[]);
        presented(&["spiffe://acme/a", "https://acme/b"], &["a.acme"], &[]);
        presented(&["spiffe://acme/"], &["a.acme"], &[]);
        for like in [
            "SPIFFE://acme/a",
            "spiffe:acme/a",
            " spiffe://acme/a",
            "spiffe://acme/\u{ff}",
            "Spiffe:",
        ] {
            presented(&[like], &["a.acme"], &[]);
        }
    }

    #[test]
    fn a_wildcard_in_a_certificate_names_nobody() {
        presented(&[], &["*.acme", "a.acme"], &["dns:a.acme"]);
    }
}
