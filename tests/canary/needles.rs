//! The shapes in which a secret may leak.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use keyward::domain::secret::Keyring;

/// What follows the version of the signing key: 32 random characters, tag, checksum.
const RANDOM: usize = 32;
const AFTER_RANDOM: usize = 17;
/// The end of a secret that is looked for by itself.
const TAIL: usize = 40;

/// What must not occur, for one secret.
pub(crate) struct Needles(Vec<(&'static str, String)>);

impl Needles {
    pub(crate) fn new(secret: &str, keyring: &Keyring) -> Self {
        let digest = keyring.recognise(secret).expect("a genuine secret").digest;
        let (covered, _) = secret.split_at(secret.len() - AFTER_RANDOM);
        let random = &covered[covered.len() - RANDOM..];
        let mut needles = vec![
            ("the secret", secret.to_owned()),
            ("its end", secret[secret.len() - TAIL..].to_owned()),
            ("its random part", random.to_owned()),
        ];
        let mut encoded = |what, bytes: &[u8]| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let decimals = format!("{bytes:?}");
            needles.push((what, hex.to_uppercase()));
            needles.push((what, hex));
            needles.push((what, decimals.trim_matches(['[', ']']).to_owned()));
            // Whatever stands before it shifts base64 by one or two bytes.
            for shifted in (0..3).map(|offset| &bytes[offset..]) {
                let whole = &shifted[..shifted.len() / 3 * 3];
                needles.push((what, STANDARD_NO_PAD.encode(whole)));
                needles.push((what, URL_SAFE_NO_PAD.encode(whole)));
            }
        };
        encoded("its random part, encoded", random.as_bytes());
        encoded("its digest, encoded", digest.as_bytes());
        Self(needles)
    }

    /// What occurs in a text, by what it is called.
    pub(crate) fn found_in(&self, text: &str) -> Vec<&'static str> {
        let occurs = |(_, needle): &&(&str, String)| text.contains(&**needle);
        self.0.iter().filter(occurs).map(|(what, _)| *what).collect()
    }
}

/// Bytes as text in which needles, which are ASCII, are found wherever they stand.
pub(crate) fn as_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use keyward::domain::secret::{KeyVersion, Prefix, SigningKey};
    use ring::rand::SystemRandom;

    use super::*;

    #[test]
    fn a_leak_is_found_in_whatever_shape() {
        let key = SigningKey::new(KeyVersion::FIRST, &[7; SigningKey::LEN]);
        let keyring = Keyring::new(vec![key], KeyVersion::FIRST).unwrap();
        let prefix = Prefix::parse("acme_live").unwrap();
        let secret = keyring.mint(&prefix, &SystemRandom::new()).unwrap().secret.reveal();
        let needles = Needles::new(&secret, &keyring);
        let header = format!("authorization: Bearer {secret}");
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let digest = *keyring.recognise(&secret).unwrap().digest.as_bytes();
        for leak in [
            header.clone(),
            secret[9..].to_owned(),
            as_text(&[b"\xff\x00", secret.as_bytes(), b"\x00\xff"].concat()),
            hex.to_uppercase(),
            hex,
            format!("{:?}", secret.as_bytes()),
            format!("{digest:?}"),
            format!("{digest:02x?}").replace([',', ' '], ""),
            STANDARD_NO_PAD.encode(&header),
            URL_SAFE_NO_PAD.encode(&header[1..]),
            STANDARD_NO_PAD.encode(&header[2..]),
        ] {
            assert!(!needles.found_in(&leak).is_empty(), "{leak}");
        }
        let other = keyring.mint(&prefix, &SystemRandom::new()).unwrap().secret.reveal();
        assert!(needles.found_in(&other).is_empty());
        assert!(needles.found_in(&secret[..30]).is_empty(), "the beginning alone is no leak");
    }
}
