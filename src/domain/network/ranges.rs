//! Networks as decisions look at them: sorted, merged, and searched by halves. A hundred cost no
//! more than three.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Cidr;

/// The addresses that a key may be used from, as ranges that do not touch; none at all leaves it
/// unrestricted. IPv4 and IPv6 are independent; an IPv4-mapped address is its IPv4 address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Ranges {
    /// Whether a client at `address` may use the key. Of a client whose address is unknown the
    /// decision tells: it is refused, unless [`Ranges::is_empty`].
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.is_empty()
            || match address.to_canonical() {
                IpAddr::V4(address) => holds(&self.v4, address.to_bits()),
                IpAddr::V6(address) => holds(&self.v6, address.to_bits()),
            }
    }

    /// Whether there is no restriction.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The lowest address of each kind that is in a range.
    pub(in crate::domain) fn lowest(&self) -> (Option<u32>, Option<u128>) {
        (self.v4.first().map(|(start, _)| *start), self.v6.first().map(|(start, _)| *start))
    }

    /// The bytes of each block of memory that it owns.
    pub(in crate::domain) fn blocks(&self) -> [usize; 2] {
        [size_of_val(&*self.v4), size_of_val(&*self.v6)]
    }
}

impl FromIterator<Cidr> for Ranges {
    fn from_iter<I: IntoIterator<Item = Cidr>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network.network() {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Self { v4: merged(v4, |end| end.checked_add(1)), v6: merged(v6, |end| end.checked_add(1)) }
    }
}

/// Whether an address is in one of the ranges: in the last that does not begin after it.
fn holds<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let begun = ranges.partition_point(|(start, _)| *start <= address);
    begun.checked_sub(1).and_then(|last| ranges.get(last)).is_some_and(|(_, end)| address <= *end)
}

/// The ranges in order, those that overlap or touch made one.
fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>, next: impl Fn(T) -> Option<T>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match merged.last_mut() {
            // Nothing begins after the last address.
            Some((_, last)) if next(*last).is_none_or(|next| start <= next) => {
                *last = end.max(*last);
            }
            _ => merged.push((start, end)),
        }
    }
    merged.into()
}
