//! What a certificate says of whom it was given to, and for how long.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use crate::domain::{identity::Presented, time::Timestamp};

/// What a client showed, of a chain that was verified. None: nothing that can be read.
pub(super) fn presented(chain: &[CertificateDer<'_>]) -> Option<Presented> {
    let certificate = chain.first()?;
    let end = end(certificate)?;
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    Some(Presented::new(certificate.valid_uri_names(), certificate.valid_dns_names(), end))
}

/// The last moment at which it is good. None: it cannot be read.
pub(super) fn end(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    // After all time every certificate has ended, which is found out before anything else of it, and told.
    match judged_at(certificate, Duration::from_secs(u64::MAX))? {
        Error::CertExpired { not_after, .. } => {
            let after = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
            Some(Timestamp::from_micros(after.saturating_mul(1_000_000).saturating_sub(1)))
        }
        _ => None,
    }
}

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub begin: Timestamp,
    /// The last moment.
    pub end: Timestamp,
}

impl Span {
    /// Whether it is good at this moment.
    pub(super) fn holds(&self, moment: Timestamp) -> bool {
        (self.begin..=self.end).contains(&moment)
    }
}

/// When it is good. None: it cannot be read.
pub(super) fn span(certificate: &CertificateDer<'_>) -> Option<Span> {
    let end = end(certificate)?;
    // Before all time no certificate is good yet.
    let begin = match judged_at(certificate, Duration::ZERO)? {
        Error::CertNotValidYet { not_before, .. } => {
            let seconds = i64::try_from(not_before.as_secs()).unwrap_or(i64::MAX);
            Timestamp::from_micros(seconds.saturating_mul(1_000_000))
        }
        _ => Timestamp::MIN,
    };
    Some(Span { begin, end })
}

/// What is wrong with it at this time; by no authority any is good.
fn judged_at(certificate: &CertificateDer<'_>, time: Duration) -> Option<Error> {
    let time = UnixTime::since_unix_epoch(time);
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    certificate.verify_for_usage(&[], &[], &[], time, KeyUsage::client_auth(), None, None).err()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
        date_time_ymd,
    };

    use super::*;
    use crate::domain::identity::Identity;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params =
            CertificateParams::new(["b.acme".to_owned(), "a.acme".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2030, 1, 1);
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// The end of 2030-01-01T00:00:00Z, which is its last second.
    const END: Timestamp = Timestamp::from_micros(1_893_456_000_999_999);

    #[test]
    fn the_end_of_a_certificate_is_read_whatever_it_is_for() {
        assert_eq!(end(&made(|_| {})), Some(END));
        for usage in [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth] {
            assert_eq!(end(&made(|params| params.extended_key_usages = vec![usage])), Some(END));
        }
        let authority = made(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        assert_eq!(end(&authority), Some(END));
        assert_eq!(end(&CertificateDer::from(vec![1, 2, 3])), None);
    }

    #[test]
    fn a_certificate_is_good_from_its_first_second_to_its_last() {
        let span = span(&made(|params| params.not_before = date_time_ymd(2029, 12, 31))).unwrap();
        let begin = Timestamp::from_micros(1_893_369_600_000_000);
        assert_eq!(span, Span { begin, end: END });
        let at = |micros| span.holds(Timestamp::from_micros(micros));
        assert!(!at(begin.micros() - 1) && at(begin.micros()));
        assert!(at(END.micros()) && !at(END.micros() + 1));
    }

    #[test]
    fn the_names_of_a_certificate_are_in_their_order() {
        let read = presented(&[made(|_| {})]).unwrap();
        let names: Vec<_> = read.identities.iter().map(Identity::as_str).collect();
        assert_eq!((names, read.end), (vec!["dns:b.acme", "dns:a.acme"], END));
        assert!(presented(&[]).is_none());
    }

    #[test]
    fn a_spiffe_id_counts_alone() {
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let one = made(|params| params.subject_alt_names.push(uri("spiffe://acme/a")));
        let identities = presented(&[one]).unwrap().identities;
        assert_eq!(
            identities.iter().map(Identity::as_str).collect::<Vec<_>>(),
            ["spiffe://acme/a"]
        );
        let two = made(|params| {
            params.subject_alt_names = vec![uri("spiffe://acme/a"), uri("spiffe://acme/b")];
        });
        assert_eq!(presented(&[two]).unwrap().identities, []);
    }
}
