//! What only answers and people need of a key's record, in one block of memory.
//!
//! It is one text: numbers are written as characters, six bits in each, the lowest first; a text
//! is its length and itself; a list is a text of its entries. A scope of the policy is its number
//! there. So a key of ten grants takes a tenth of what its parts would, each for itself.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::domain::{
    key::{Grant, Key},
    network::{AllowedNetworks, Cidr},
    policy::CompiledPolicy,
    scope::ScopeId,
};

/// Bits of a number in one character.
const BITS: u32 = 6;
/// Says that the number goes on in the next character.
const MORE: u8 = 1 << BITS;
/// Added to the length of a prefix of IPv6.
const V6: u128 = 64;

/// The parts of a key's record that no decision needs.
#[derive(Debug)]
pub(super) struct Record(Box<str>);

/// What a record says, read without copying.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// For people.
    pub title: &'a str,
    /// A key type of the policy.
    pub key_type: &'a str,
    /// A plan of the policy. Empty: the workspace's.
    pub plan: &'a str,
    /// The identifier of its owner. Empty: it has none.
    pub principal: &'a str,
    /// The identifier of the key on whose behalf it was made. Empty: of none.
    pub minting_key: &'a str,
    constraint: Reader<'a>,
    grants: Reader<'a>,
    labels: Reader<'a>,
    networks: Reader<'a>,
    policy: &'a CompiledPolicy,
}

impl Record {
    pub(super) fn new(key: &Key, policy: &CompiledPolicy) -> Self {
        let mut whole = Writer::default();
        whole.text(key.title.as_str());
        whole.text(&key.key_type);
        whole.text(&key.plan);
        whole.text(key.principal.as_ref().map_or("", |id| id.as_str()));
        whole.text(key.minting_key.as_ref().map_or("", |id| id.as_str()));
        whole.list(&key.constraint, |list, pattern| list.text(pattern));
        whole.list(&key.grants, |list, Grant { scope, resource }| {
            match policy.scope(scope) {
                Some(id) => list.number(1 + id.place() as u128),
                None => {
                    list.number(0);
                    list.text(scope);
                }
            }
            list.number(u128::from(resource.is_some()));
            resource.iter().for_each(|text| list.text(text));
        });
        whole.list(&key.labels, |list, (name, value)| {
            list.text(name);
            list.text(value);
        });
        whole.list(key.allowed_cidrs.iter(), |list, cidr| match cidr.network() {
            IpNet::V4(net) => {
                list.number(net.prefix_len().into());
                list.number(net.network().to_bits().reverse_bits().into());
            }
            IpNet::V6(net) => {
                list.number(V6 + u128::from(net.prefix_len()));
                list.number(net.network().to_bits().reverse_bits());
            }
        });
        Self(whole.0.into())
    }

    /// The bytes of its block of memory.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A plan of the policy. Empty: the workspace's.
    pub(super) fn plan(&self) -> &str {
        let mut whole = Reader(&self.0);
        let [_title, _key_type, plan] = [whole.text(), whole.text(), whole.text()];
        plan
    }

    /// What it says, given the policy that it was made under.
    pub(super) fn told<'a>(&'a self, policy: &'a CompiledPolicy) -> Told<'a> {
        let mut whole = Reader(&self.0);
        Told {
            title: whole.text(),
            key_type: whole.text(),
            plan: whole.text(),
            principal: whole.text(),
            minting_key: whole.text(),
            constraint: Reader(whole.text()),
            grants: Reader(whole.text()),
            labels: Reader(whole.text()),
            networks: Reader(whole.text()),
            policy,
        }
    }
}

impl<'a> Told<'a> {
    /// Resource patterns that bound all grants.
    pub fn constraint(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        self.constraint.entries(Reader::text)
    }

    /// What it may do: scopes, and the pattern of the resources on which alone each counts.
    pub fn grants(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + Clone + use<'a> {
        let policy = self.policy;
        self.grants.entries(move |list| {
            let scope = match usize::try_from(list.number()).ok().and_then(|n| n.checked_sub(1)) {
                Some(place) => ScopeId::at(place).map_or("", |scope| policy.scope_name(scope)),
                None => list.text(),
            };
            (scope, (list.number() != 0).then(|| list.text()))
        })
    }

    /// Pairs for people and tools, in the order of their names.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        self.labels.entries(|list| (list.text(), list.text()))
    }

    /// From where it may be used, as it was written.
    pub fn networks(&self) -> impl Iterator<Item = Cidr> + Clone + use<'a> {
        self.networks.entries(Reader::cidr)
    }

    /// The same, as a list of its own.
    pub(super) fn allowed_cidrs(&self) -> AllowedNetworks {
        self.networks().collect()
    }

    /// The grants, as a list of their own.
    pub fn grants_owned(&self) -> Vec<Grant> {
        let owned = |(scope, resource): (&str, Option<&str>)| Grant {
            scope: scope.to_owned(),
            resource: resource.map(str::to_owned),
        };
        self.grants().map(owned).collect()
    }

    /// The labels, as a map of their own.
    pub fn labels_owned(&self) -> BTreeMap<String, String> {
        self.labels().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

#[derive(Default)]
struct Writer(String);

impl Writer {
    fn number(&mut self, mut number: u128) {
        while number >= MORE.into() {
            self.0.push(char::from(low(number) | MORE));
            number >>= BITS;
        }
        self.0.push(char::from(low(number)));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u128);
        self.0.push_str(text);
    }

    fn list<T>(&mut self, entries: impl IntoIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        let mut list = Self::default();
        entries.into_iter().for_each(|entry| write(&mut list, entry));
        self.text(&list.0);
    }
}

/// The lowest bits, as many as a character has room for.
fn low(number: u128) -> u8 {
    let [first, ..] = number.to_le_bytes();
    first % MORE
}

/// What is still to be read.
#[derive(Clone, Copy, Debug)]
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn number(&mut self) -> u128 {
        let (mut number, mut shift) = (0, 0);
        for byte in self.0.bytes() {
            self.0 = self.0.get(1..).unwrap_or_default();
            number |= u128::from(byte % MORE) << shift;
            shift += BITS;
            // Nothing that was written takes more characters.
            if byte < MORE || shift >= u128::BITS {
                break;
            }
        }
        number
    }

    fn text(&mut self) -> &'a str {
        let length = usize::try_from(self.number()).unwrap_or(usize::MAX);
        let (text, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        text
    }

    fn cidr(&mut self) -> Cidr {
        let (length, bits) = (self.number(), self.number());
        let v6 = |length: u128| {
            let net = Ipv6Net::new(Ipv6Addr::from_bits(bits.reverse_bits()), small(length));
            net.map(IpNet::from).ok()
        };
        let v4 = || {
            let bits = u32::try_from(bits).ok()?.reverse_bits();
            Ipv4Net::new(Ipv4Addr::from_bits(bits), small(length)).map(IpNet::from).ok()
        };
        let network = match length.checked_sub(V6) {
            Some(length) => v6(length),
            None => v4(),
        };
        // Whatever was written is read: this default, one address of no machine, is never met.
        Cidr::of(network.unwrap_or_else(|| Ipv4Net::from(Ipv4Addr::UNSPECIFIED).into()))
    }

    fn entries<T>(self, read: impl Fn(&mut Self) -> T + Clone) -> impl Iterator<Item = T> + Clone {
        let mut rest = self;
        std::iter::from_fn(move || (!rest.0.is_empty()).then(|| read(&mut rest)))
    }
}

fn small(length: u128) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
