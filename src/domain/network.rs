//! Network addresses of clients, and the networks that a key may be used from.
//!
//! Every address has one spelling that is read here: what other parsers take to mean different
//! things (leading zeros, host bits, zones, IPv4 dressed as IPv6) is refused with the reason.

mod ranges;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use ranges::Ranges;

/// Bits of an IPv6 address in front of an IPv4 address mapped into it (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// An IPv4 or IPv6 network in CIDR notation (RFC 4632, RFC 4291 §2.3), without host bits.
///
/// Never an IPv4 network mapped into IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr(IpNet);

/// The text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidAddress {
    /// Nothing where the address should be.
    #[error("the address is empty")]
    Empty,
    /// Whitespace, also at either end.
    #[error("whitespace is not allowed")]
    Whitespace,
    /// A zone (RFC 4007) means something on one machine only.
    #[error("a zone such as `%eth0` is not allowed; write the address without it")]
    Zone,
    /// `010.0.0.1` is 10.0.0.1 to some and 8.0.0.1 to others (RFC 6943 §3.1.1).
    #[error("a decimal number with a leading zero is ambiguous; write it without the zero")]
    LeadingZero,
    /// Anything else.
    #[error("not an IPv4 address such as 192.0.2.1 nor an IPv6 address such as 2001:db8::1")]
    Malformed,
}

/// The text is no [`Cidr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidCidr {
    /// The part in front of the slash is no address.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The prefix length is no plain decimal number: empty, signed, or not a number.
    #[error("the prefix length after `/` must be a decimal number without sign")]
    LengthMalformed,
    /// The prefix length has a leading zero, as in `/00`.
    #[error("the prefix length after `/` must not have a leading zero")]
    LengthLeadingZero,
    /// The prefix length exceeds the bits of the address.
    #[error("the prefix length after `/` must be at most {max}")]
    LengthTooLong {
        /// 32 or 128.
        max: u8,
    },
    /// The address has bits beyond the prefix length.
    #[error("{written} has host bits set; write {network} or {host}")]
    HostBits {
        /// What was written.
        written: IpNet,
        /// The network of the written length that contains the address.
        network: IpNet,
        /// The address alone.
        host: IpNet,
    },
    /// An IPv4 network in IPv6 clothes, which would match no IPv4 client.
    #[error("an IPv4-mapped IPv6 address is matched as IPv4; write {ipv4}")]
    Mapped {
        /// The form to write.
        ipv4: Ipv4Net,
    },
}

impl Cidr {
    /// Parses `ADDRESS/LENGTH`, or a bare address as its /32 or /128.
    ///
    /// # Errors
    /// [`InvalidCidr`] for all but the one strict spelling; host bits and mapped addresses come
    /// with the form to write instead.
    pub fn parse(text: &str) -> Result<Self, InvalidCidr> {
        if text.contains(char::is_whitespace) {
            return Err(InvalidAddress::Whitespace.into());
        }
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address = parse_written(address)?;
        let host = IpNet::from(address);
        let length = match length {
            Some(digits) => parse_length(digits, host.max_prefix_len())?,
            None => host.max_prefix_len(),
        };
        if let (IpAddr::V6(_), IpAddr::V4(mapped)) = (address, address.to_canonical()) {
            // The mapping itself ends at bit 96: a shorter length has host bits, and means nobody knows what.
            let ipv4 = length
                .checked_sub(MAPPED_BITS)
                .and_then(|length| Ipv4Net::new(mapped, length).ok())
                .map_or_else(|| Ipv4Net::from(mapped), |network| network.trunc());
            return Err(InvalidCidr::Mapped { ipv4 });
        }
        let written = IpNet::new(address, length)
            .map_err(|_| InvalidCidr::LengthTooLong { max: host.max_prefix_len() })?;
        let network = written.trunc();
        if network == written {
            Ok(Self(network))
        } else {
            Err(InvalidCidr::HostBits { written, network, host })
        }
    }

    /// Whether it holds every address of its family.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.prefix_len() == 0
    }

    /// The network, without host bits that it may have. To be given none that is mapped.
    pub(in crate::domain) fn of(network: IpNet) -> Self {
        Self(network.trunc())
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> IpNet {
        self.0
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Cidr {
    type Error = InvalidCidr;

    fn try_from(text: String) -> Result<Self, InvalidCidr> {
        Self::parse(&text)
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

/// The networks that a key may be used from; none at all leaves it unrestricted.
///
/// The caller bounds the number of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllowedNetworks(Vec<Cidr>);

impl AllowedNetworks {
    /// Parses a list of networks in order; a repeated one is kept once, and `*` stands for
    /// `0.0.0.0/0` and `::/0`.
    ///
    /// # Errors
    /// Every entry that is no network, with its position counted from 0.
    pub fn parse<'a>(
        entries: impl Iterator<Item = &'a str>,
    ) -> Result<Self, Vec<(usize, InvalidCidr)>> {
        let (mut networks, mut seen, mut faults) = (Vec::new(), HashSet::new(), Vec::new());
        for (position, entry) in entries.enumerate() {
            let spellings: &[&str] = match entry {
                "*" => &["0.0.0.0/0", "::/0"],
                _ => &[entry],
            };
            for spelling in spellings {
                match Cidr::parse(spelling) {
                    Ok(cidr) if seen.insert(cidr) => networks.push(cidr),
                    Ok(_repeated) => {}
                    Err(fault) => faults.push((position, fault)),
                }
            }
        }
        if faults.is_empty() { Ok(Self(networks)) } else { Err(faults) }
    }

    /// What they permit together, to be asked often.
    #[must_use]
    pub fn ranges(&self) -> Ranges {
        self.iter().collect()
    }

    /// Whether there is no restriction.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every address that `other` permits is permitted here. An empty list
    /// permits every address, and is inside an empty list alone.
    pub fn covers(&self, other: &Self) -> bool {
        let inside = |theirs: &Cidr| self.0.iter().any(|ours| ours.0.contains(&theirs.0));
        self.0.is_empty() || !other.0.is_empty() && other.0.iter().all(inside)
    }

    /// The networks in the order given.
    pub fn iter(&self) -> impl Iterator<Item = Cidr> {
        self.0.iter().copied()
    }

    /// The entries that hold every address of their family: legal, and worth a warning.
    pub fn wildcards(&self) -> impl Iterator<Item = Cidr> {
        self.iter().filter(Cidr::is_wildcard)
    }
}

impl FromIterator<Cidr> for AllowedNetworks {
    fn from_iter<I: IntoIterator<Item = Cidr>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

/// Parses the address of a client; an IPv4-mapped one becomes the IPv4 address it is.
///
/// # Errors
/// [`InvalidAddress`] for all but the strict spelling, such as a port, brackets or a zone.
pub fn parse_address(text: &str) -> Result<IpAddr, InvalidAddress> {
    parse_written(text).map(|address| address.to_canonical())
}

/// An address as it is written, mapped or not. The standard library reads the strict spelling
/// alone, and quickly.
fn parse_written(text: &str) -> Result<IpAddr, InvalidAddress> {
    text.parse().map_err(|_| why_not(text))
}

/// Why a text is no address.
fn why_not(text: &str) -> InvalidAddress {
    if text.is_empty() {
        return InvalidAddress::Empty;
    }
    if text.contains(char::is_whitespace) {
        return InvalidAddress::Whitespace;
    }
    if text.contains('%') {
        return InvalidAddress::Zone;
    }
    // The dotted part of an IPv6 address is its last; leading zeros elsewhere in one are usual.
    let dotted = text.rsplit(':').next().filter(|part| part.contains('.'));
    let is_padded = |number: &str| {
        number.len() > 1 && number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit())
    };
    match dotted.is_some_and(|dotted| dotted.split('.').any(is_padded)) {
        true => InvalidAddress::LeadingZero,
        false => InvalidAddress::Malformed,
    }
}

fn parse_length(digits: &str, max: u8) -> Result<u8, InvalidCidr> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidCidr::LengthMalformed);
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(InvalidCidr::LengthLeadingZero);
    }
    digits.parse().ok().filter(|length| *length <= max).ok_or(InvalidCidr::LengthTooLong { max })
}
