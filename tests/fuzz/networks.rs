//! Lists of networks, bit by bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keyward::domain::network::{AllowedNetworks, Cidr, parse_address};

use crate::bits::has;

/// Entries of a list at the most; what is asked of them grows with their square.
const ENTRIES_MAX: usize = 12;

/// An address by the strict spelling, which is the library's but for what others read differently.
fn address(text: &str) -> Option<IpAddr> {
    let parts = text.rsplit(':').next().unwrap_or_default().split('.');
    let is_padded = parts.count() == 4
        && text
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .split('.')
            .any(|part| part.len() > 1 && part.starts_with('0'));
    text.parse().ok().filter(|_| !is_padded)
}

/// The network that a text is: first and last address as numbers, of so many bits.
fn network(text: &str) -> Option<(u128, u128, u32)> {
    let (written, length) = text.split_once('/').unwrap_or((text, ""));
    let (bits, number) = match address(written)? {
        IpAddr::V4(address) => (32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (128, address.to_bits()),
    };
    let length = match length {
        "" if !text.contains('/') => bits,
        _ => length.parse::<u32>().ok().filter(|it| it.to_string() == length && *it <= bits)?,
    };
    let hosts = u128::MAX.checked_shr(128 - (bits - length)).unwrap_or(0);
    let is_mapped = bits == 128 && number >> 32 == 0xffff;
    (number & hosts == 0 && !is_mapped).then_some((number, number | hosts, bits))
}

fn as_address(number: u128, bits: u32) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if bits == 32 => Ipv4Addr::from_bits(number).into(),
        _ => Ipv6Addr::from_bits(number).into(),
    }
}

/// Addresses at both ends of a network, inside and outside.
fn ends(text: &str) -> Vec<IpAddr> {
    let Some((first, last, bits)) = network(text) else { return Vec::new() };
    let most = u128::MAX >> (128 - bits);
    let outside = [first.checked_sub(1), last.checked_add(1).filter(|it| *it <= most)];
    let all = outside.into_iter().flatten().chain([first, last, first + (last - first) / 2]);
    all.map(|number| as_address(number, bits)).collect()
}

/// The list of these entries as it is read, which is as it should be.
fn read(entries: &[&str]) -> Option<AllowedNetworks> {
    let wrong = |(place, entry): (usize, &&str)| {
        (*entry != "*" && network(entry).is_none()).then_some(place)
    };
    let wrong: Vec<_> = entries.iter().enumerate().filter_map(wrong).collect();
    match AllowedNetworks::parse(entries.iter().copied()) {
        Ok(list) => {
            assert_eq!(wrong, [0_usize; 0], "{entries:?}");
            Some(list)
        }
        Err(faults) => {
            let places: Vec<_> = faults.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, wrong, "{entries:?}");
            // What is said of each is one line.
            assert!(faults.iter().all(|(_, why)| !why.to_string().contains('\n')), "{entries:?}");
            None
        }
    }
}

/// A line each: entries of a list, after an empty line those of another.
pub(crate) fn target(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let lines: Vec<&str> = text.split('\n').take(2 * ENTRIES_MAX).collect();
    for line in &lines {
        let read = Cidr::parse(line);
        assert_eq!(read.is_ok(), network(line).is_some(), "{line:?} {read:?}");
        if let Ok(read) = read {
            let network = read.network();
            let found = (network.network(), network.broadcast());
            let (first, last, bits) = self::network(line).unwrap();
            assert_eq!(found, (as_address(first, bits), as_address(last, bits)), "{line:?}");
            assert_eq!(Cidr::parse(&read.to_string()), Ok(read), "{line:?}");
        }
        let canonical = address(line).map(|address| address.to_canonical());
        assert_eq!(parse_address(line).ok(), canonical, "{line:?}");
    }
    let mut halves = lines.split(|line| line.is_empty());
    let (ours, theirs) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let (Some(our_list), Some(their_list)) = (read(ours), read(theirs)) else { return };
    let clients = lines.iter().flat_map(|line| ends(line).into_iter().chain(address(line)));
    let clients: Vec<IpAddr> =
        clients.chain(["0.0.0.0", "255.255.255.255", "::"].map(|it| it.parse().unwrap())).collect();
    let spelled = |list: &AllowedNetworks| list.iter().map(|it| it.to_string()).collect::<Vec<_>>();
    for list in [&our_list, &their_list] {
        let (spelled, ranges) = (spelled(list), list.ranges());
        let again = AllowedNetworks::parse(spelled.iter().map(String::as_str));
        assert_eq!(again.as_ref(), Ok(list), "it is read as it is printed");
        for client in &clients {
            let expected = spelled.is_empty() || spelled.iter().any(|it| has(it, *client));
            assert_eq!(ranges.permits(*client), expected, "{spelled:?} {client}");
        }
    }
    if our_list.covers(&their_list) {
        let (ours, theirs) = (our_list.ranges(), their_list.ranges());
        for client in &clients {
            assert!(!theirs.permits(*client) || ours.permits(*client), "{lines:?} {client}");
        }
    }
    assert!(our_list.covers(&our_list));
}
