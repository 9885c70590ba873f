use super::*;

#[test]
fn a_tag_of_two_to_the_64_or_more_is_refused() {
    assert_eq!(base62::decode(&base62::encode::<TAG_LEN>(u64::MAX)), Some(u64::MAX));
    assert_eq!(base62::encode::<TAG_LEN>(u64::MAX), *b"LygHa16AHYF");
    assert_eq!(base62::decode(b"LygHa16AHYG"), None);
    assert_eq!(base62::decode(b"zzzzzzzzzzz"), None);
    assert_eq!(base62::decode(b"0000000000-"), None);
}

#[test]
fn versions_are_the_62_characters() {
    let all: String = KeyVersion::all().map(char::from).collect();
    assert_eq!(all, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    for character in ['_', ' ', 'é', '-', '\u{ff10}'] {
        assert_eq!(KeyVersion::try_from(character), Err(InvalidKeyVersion));
    }
}

#[test]
fn random_digits_are_unbiased() {
    let mut counts = [0_u32; 256];
    for _ in 0..31_000 {
        let mut once = true;
        let text = base62::random::<2>(|bytes| {
            assert!(std::mem::take(&mut once));
            ring::rand::SecureRandom::fill(&SystemRandom::new(), bytes)
        })
        .unwrap();
        for digit in text.iter() {
            *counts.get_mut(usize::from(*digit)).unwrap() += 1;
        }
    }
    // 1,000 expected of each, standard deviation 31.4: eight of them is never.
    for version in KeyVersion::all().map(char::from) {
        let count = *counts.get(version as usize).unwrap();
        assert!((750..1_250).contains(&count), "{version} occurs {count} times");
    }
    assert_eq!(counts.iter().sum::<u32>(), 62_000);
}

#[test]
fn prefixes_follow_their_grammar() {
    for text in ["kw", "a1", "mfk_live", "avyex", "a_1_b2", "abcdefghijklmnopqrst"] {
        assert_eq!(Prefix::parse(text).unwrap().as_str(), text);
        let json = serde_json::to_string(&Prefix::parse(text).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Prefix>(&json).unwrap().to_string(), text);
    }
    for text in [
        "",
        "k",
        "1k",
        "_k",
        "k_",
        "k__w",
        "Kw",
        "kW",
        "kw ",
        "kw-x",
        "ké",
        "abcdefghijklmnopqrstu",
    ] {
        assert_eq!(Prefix::parse(text), Err(InvalidPrefix), "{text:?}");
    }
    assert!(serde_json::from_str::<Prefix>("\"K\"").is_err());
}

#[test]
fn a_keyring_needs_its_current_key_and_distinct_versions() {
    let keys = |names: &str| {
        names.chars().map(|name| SigningKey::new(version(name), &[1; 32])).collect::<Vec<_>>()
    };
    let refusal = |names: &str, current| Keyring::new(keys(names), version(current)).err();
    assert_eq!(refusal("0", '0'), None);
    assert_eq!(refusal("", '0'), Some(InvalidKeyring::CurrentMissing(version('0'))));
    assert_eq!(refusal("01", '2'), Some(InvalidKeyring::CurrentMissing(version('2'))));
    assert_eq!(refusal("010", '1'), Some(InvalidKeyring::Duplicate(version('0'))));
}
