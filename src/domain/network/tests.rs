#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(Cidr::parse(text).unwrap().to_string(), expected);
}

#[track_caller]
fn check_refused(text: &str, message: &str) {
    let refusal = Cidr::parse(text).unwrap_err().to_string();
    assert!(refusal.contains(message), "{text:?}: {refusal}");
}

fn allowed(entries: &[&str]) -> AllowedNetworks {
    AllowedNetworks::parse(entries.iter().copied()).unwrap()
}

#[track_caller]
fn check_permits(entries: &[&str], address: &str, expected: bool) {
    let address = parse_address(address).unwrap();
    assert_eq!(allowed(entries).ranges().permits(address), expected, "{entries:?} {address}");
}

#[test]
fn networks_and_bare_addresses_are_read() {
    check("10.0.0.0/8", "10.0.0.0/8");
    check("0.0.0.0/0", "0.0.0.0/0");
    check("192.0.2.1", "192.0.2.1/32");
    check("192.0.2.1/32", "192.0.2.1/32");
    check("::/0", "::/0");
    check("2001:0DB8::/32", "2001:db8::/32");
    check("2001:db8::1", "2001:db8::1/128");
    check("64:ff9b::/96", "64:ff9b::/96");
}

#[test]
fn host_bits_are_refused_with_what_to_write() {
    check_refused("10.0.0.1/8", "10.0.0.1/8 has host bits set; write 10.0.0.0/8 or 10.0.0.1/32");
    check_refused("1.2.3.4/0", "write 0.0.0.0/0 or 1.2.3.4/32");
    check_refused("192.0.2.1/31", "write 192.0.2.0/31 or 192.0.2.1/32");
    check_refused("2001:db8::1/64", "write 2001:db8::/64 or 2001:db8::1/128");
}

#[test]
fn mapped_networks_are_refused_with_their_ipv4_form() {
    check_refused("::ffff:1.2.3.4", "write 1.2.3.4/32");
    check_refused("::FFFF:102:304", "write 1.2.3.4/32");
    check_refused("::ffff:1.2.3.4/128", "write 1.2.3.4/32");
    check_refused("::ffff:10.0.0.0/104", "write 10.0.0.0/8");
    check_refused("::ffff:10.0.0.1/104", "write 10.0.0.0/8");
    check_refused("::ffff:0.0.0.0/96", "write 0.0.0.0/0");
    check_refused("::ffff:1.2.3.4/95", "write 1.2.3.4/32");
}

#[test]
fn each_loose_spelling_is_refused_for_its_own_reason() {
    check_refused("", "empty");
    check_refused("/8", "empty");
    check_refused(" 10.0.0.0/8", "whitespace");
    check_refused("10.0.0.0/8\n", "whitespace");
    check_refused("10.0.0.0 /8", "whitespace");
    check_refused("10.0.0.0/\u{a0}8", "whitespace");
    check_refused("010.0.0.0/8", "leading zero");
    check_refused("10.00.0.0/8", "leading zero");
    check_refused("::ffff:1.2.3.04", "leading zero");
    check_refused("fe80::1%eth0/64", "zone");
    check_refused("fe80::1%1", "zone");
    check_refused("10.0.0.0/", "decimal number without sign");
    check_refused("10.0.0.0/+8", "decimal number without sign");
    check_refused("10.0.0.0/-8", "decimal number without sign");
    check_refused("10.0.0.0/255.0.0.0", "decimal number without sign");
    check_refused("10.0.0.0/8/8", "decimal number without sign");
    check_refused("10.0.0.0/٨", "decimal number without sign");
    check_refused("0.0.0.0/00", "leading zero");
    check_refused("10.0.0.0/08", "leading zero");
    check_refused("10.0.0.0/33", "at most 32");
    check_refused("::/129", "at most 128");
    check_refused("10.0.0.0/99999999999999999999", "at most 32");
    for text in [
        "10",
        "10.0.0/8",
        "0x0a.0.0.1",
        "1.2.3.4.5",
        "[::1]",
        "::1::",
        "example.com",
        "*",
        "256.0.0.1",
    ] {
        check_refused(text, "not an IPv4 address");
    }
}

#[test]
fn client_addresses_are_read_strictly_and_unmapped() {
    let check = |text: &str, expected: Result<&str, InvalidAddress>| {
        let expected = expected.map(|address| address.parse::<IpAddr>().unwrap());
        assert_eq!(parse_address(text), expected, "{text:?}");
    };
    check("192.0.2.1", Ok("192.0.2.1"));
    check("2001:db8::1", Ok("2001:db8::1"));
    check("::ffff:192.0.2.1", Ok("192.0.2.1"));
    check("::ffff:c000:201", Ok("192.0.2.1"));
    check("::192.0.2.1", Ok("::192.0.2.1"));
    check("", Err(InvalidAddress::Empty));
    check("192.0.2.1 ", Err(InvalidAddress::Whitespace));
    check("fe80::1%eth0", Err(InvalidAddress::Zone));
    check("192.0.2.01", Err(InvalidAddress::LeadingZero));
    check("192.0.2.1/32", Err(InvalidAddress::Malformed));
    check("192.0.2.1:443", Err(InvalidAddress::Malformed));
    check("[::1]:443", Err(InvalidAddress::Malformed));
}

#[test]
fn an_empty_list_is_unrestricted() {
    check_permits(&[], "192.0.2.1", true);
    check_permits(&[], "2001:db8::1", true);
    assert!(allowed(&[]).is_empty());
}

#[test]
fn families_are_independent() {
    check_permits(&["0.0.0.0/0"], "192.0.2.1", true);
    check_permits(&["0.0.0.0/0"], "::ffff:192.0.2.1", true);
    check_permits(&["0.0.0.0/0"], "2001:db8::1", false);
    check_permits(&["::/0"], "2001:db8::1", true);
    check_permits(&["::/0"], "192.0.2.1", false);
    check_permits(&["::/0"], "::ffff:192.0.2.1", false);
    let unmapped = "::ffff:192.0.2.1".parse().unwrap();
    assert!(allowed(&["192.0.2.0/24"]).ranges().permits(unmapped));
    assert!(!allowed(&["::/0"]).ranges().permits(unmapped));
}

#[test]
fn the_edges_of_a_network_are_exact() {
    let entries = ["10.1.0.0/16", "192.0.2.7"];
    for (address, expected) in [
        ("10.0.255.255", false),
        ("10.1.0.0", true),
        ("10.1.255.255", true),
        ("10.2.0.0", false),
        ("192.0.2.6", false),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
    ] {
        check_permits(&entries, address, expected);
    }
}

#[test]
fn a_star_is_both_families_and_repeats_are_dropped() {
    let networks = allowed(&["10.0.0.0/8", "*", "10.0.0.0/8", "::/0", "10.0.0.0", "*"]);
    let texts: Vec<_> = networks.iter().map(String::from).collect();
    assert_eq!(texts, ["10.0.0.0/8", "0.0.0.0/0", "::/0", "10.0.0.0/32"]);
    let wildcards: Vec<_> = networks.wildcards().map(String::from).collect();
    assert_eq!(wildcards, ["0.0.0.0/0", "::/0"]);
}

#[test]
fn ranges_that_overlap_or_touch_are_one() {
    for (entries, v4, v6) in [
        (&["10.0.0.0/9", "10.128.0.0/9"][..], 1, 0),
        (&["10.1.0.0/16", "10.0.0.0/8", "10.2.3.4"], 1, 0),
        (&["10.0.0.0/24", "10.0.2.0/24"], 2, 0),
        (&["255.255.255.255", "0.0.0.0/0", "128.0.0.0/1"], 1, 0),
        (&["::/0", "ffff::/16", "192.0.2.7"], 1, 1),
        (&["2001:db8::/33", "2001:db8:8000::/33", "fe80::/10"], 0, 2),
    ] {
        let blocks = allowed(entries).ranges().blocks();
        assert_eq!(blocks, [v4 * size_of::<(u32, u32)>(), v6 * size_of::<(u128, u128)>()]);
    }
}

#[test]
fn many_networks_are_searched_and_each_is_found() {
    let entries: Vec<String> = (0..200).map(|number| format!("10.{number}.0.0/17")).collect();
    let networks = AllowedNetworks::parse(entries.iter().rev().map(|entry| &**entry)).unwrap();
    let ranges = networks.ranges();
    for number in 0..200 {
        let is_in = |rest: &str| ranges.permits(format!("10.{number}.{rest}").parse().unwrap());
        assert!(is_in("0.0") && is_in("127.255") && !is_in("128.0") && !is_in("255.255"));
    }
}

#[test]
fn every_bad_entry_is_reported() {
    let entries = ["10.0.0.0/8", "", "*", "10.0.0.1/8", "x"];
    let faults = AllowedNetworks::parse(entries.into_iter()).unwrap_err();
    let positions: Vec<_> = faults.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, [1, 3, 4]);
}

#[test]
fn json_is_a_list_of_strings_read_as_strictly() {
    let networks = allowed(&["10.0.0.0/8", "::1"]);
    let json = serde_json::to_string(&networks).unwrap();
    assert_eq!(json, r#"["10.0.0.0/8","::1/128"]"#);
    assert_eq!(serde_json::from_str::<AllowedNetworks>(&json).unwrap(), networks);
    assert!(serde_json::from_str::<AllowedNetworks>(r#"["10.0.0.1/8"]"#).is_err());
}

/// An address as its bits, the slow and obvious way; a mapped one as those of its IPv4 address.
fn bits(address: IpAddr) -> String {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let bits: String = octets.iter().map(|octet| format!("{octet:08b}")).collect();
    let mapping = format!("{}{}", "0".repeat(80), "1".repeat(16));
    match bits.strip_prefix(&mapping) {
        Some(ipv4) => ipv4.to_owned(),
        None => bits,
    }
}

/// Addresses that are often close to each other, of both families and mapped.
fn addresses() -> impl Strategy<Value = IpAddr> {
    let near =
        (any::<u32>(), 0_u32..=32).prop_map(|(noise, shift)| noise.checked_shr(shift).unwrap_or(0));
    (0..4, near, any::<u128>(), 0_u32..=128).prop_map(|(kind, low, noise, shift)| {
        let low_v6 = noise.checked_shr(shift).unwrap_or(0);
        match kind {
            0 => IpAddr::from(low.to_be_bytes()),
            1 => IpAddr::from((0x0a00_0000 ^ low).to_be_bytes()),
            2 => IpAddr::from(((0xffff_u128 << 32) | u128::from(low)).to_be_bytes()),
            _ => IpAddr::from(((0x2001_0db8_u128 << 96) ^ low_v6).to_be_bytes()),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn host_bits_are_what_the_bits_say(address in addresses(), length in 0_usize..=128) {
        let mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
        let bits = bits(address);
        let outcome = Cidr::parse(&format!("{address}/{length}"));
        if mapped {
            let refused = matches!(outcome, Err(InvalidCidr::Mapped { .. }));
            prop_assert!(refused);
        } else if length > bits.len() {
            prop_assert_eq!(outcome, Err(InvalidCidr::LengthTooLong { max: bits.len() as u8 }));
        } else if bits.split_at(length).1.contains('1') {
            let Err(InvalidCidr::HostBits { network, host, .. }) = outcome else {
                return Err(TestCaseError::fail("host bits were not seen"));
            };
            prop_assert_eq!(Cidr::parse(&network.to_string()).unwrap().network(), network);
            prop_assert_eq!(Cidr::parse(&host.to_string()).unwrap().network(), host);
        } else {
            let cidr = outcome.unwrap();
            prop_assert_eq!(cidr.to_string().parse::<Cidr>().unwrap(), cidr);
        }
    }

    #[test]
    fn permits_is_what_the_bits_say(
        rules in prop::collection::vec((addresses(), 0_u8..=128), 0..8),
        client in addresses(),
    ) {
        let mut entries = Vec::new();
        for (address, length) in rules {
            let address = address.to_canonical();
            let length = length % (bits(address).len() as u8 + 1);
            entries.push(IpNet::new(address, length).unwrap().trunc());
        }
        // A truncated IPv6 address may fall into the mapped range; those cannot be written.
        entries.retain(|network| network.addr().to_canonical() == network.addr());
        let texts: Vec<_> = entries.iter().map(ToString::to_string).collect();
        let networks = AllowedNetworks::parse(texts.iter().map(String::as_str)).unwrap();
        let client_bits = bits(client);
        let expected = entries.is_empty() || entries.iter().any(|network| {
            let rule = bits(network.addr());
            let (fixed, _) = rule.split_at(network.prefix_len().into());
            rule.len() == client_bits.len()
                && fixed.bytes().zip(client_bits.bytes()).all(|(rule, client)| rule == client)
        });
        prop_assert_eq!(networks.ranges().permits(client), expected);
    }
}
