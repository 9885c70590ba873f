//! Which clients are inside a network: an address is a row of bits, a network is how
//! such rows begin. IPv4 and IPv6 have nothing in common, but that an IPv4 address
//! dressed as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.

use std::net::IpAddr;

/// Whether a network, `ADDRESS/LENGTH`, has the client.
pub(crate) fn has(network: &str, client: IpAddr) -> bool {
    let Some((address, length)) = network.split_once('/') else { return false };
    let (Ok(address), Ok(length)) = (address.parse(), length.parse::<usize>()) else {
        return false;
    };
    let (network, client) = (bits(address), bits(client));
    network.len() == client.len() && network[..length] == client[..length]
}

fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => bits(address.into()),
            None => format!("{:0128b}", u128::from(address)),
        },
    }
}
