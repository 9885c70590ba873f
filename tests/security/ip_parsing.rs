//! One address that two parsers take for different ones.
//!
//! - Hono, CVE-2026-39409, -24398: IPv4 addresses mapped into IPv6, and zeros in front, passed by a
//!   list of networks.
//! - Net::CIDR::Lite, CVE-2026-40198: host bits and lengths such as `/00` made another network of
//!   the one that was written.
//!
//! Parsing by itself is in `src/domain/network/tests.rs`. Here through every call that takes an
//! address or a network, with an oracle that compares bit by bit and parses by itself, and for the
//! address that a caller's connection has.

use keyward::proto::{self, DenyReason, IntrospectRequest};

use crate::{
    callers::{
        minted::operator,
        raw::{bearer, framed, send},
    },
    random::{Random, seed},
    support::{Caller, reader, strings, wrong_fields},
    ways::{WAYS, Way, Ways, question},
    world::{Store, caller_at},
};

on_each_store!(
    what_has_two_meanings_is_no_network_and_no_address,
    a_list_of_networks_admits_what_its_bits_say,
    a_connection_over_ipv6_from_an_ipv4_address_is_of_that_address,
    no_header_says_where_a_caller_is,
);

const NO_NETWORKS: [&str; 45] = [
    "",
    " ",
    "/",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/00",
    "10.0.0.0/08",
    "0.0.0.0/00",
    "::/00",
    "::/000",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/256",
    "10.0.0.0/264",
    "10.0.0.0/4294967304",
    "10.0.0.0/-1",
    "10.0.0.0/+8",
    "10.0.0.0/0x8",
    "10.0.0.0/٨",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    "10.0.0.1/8",
    "2001:db8::1/32",
    "010.0.0.0/8",
    "10.0.0.00/8",
    "0x0a.0.0.0/8",
    "10.0.0/8",
    "10/8",
    "167772160/8",
    "10.0.0.0.0/8",
    "::ffff:10.0.0.0/104",
    "::ffff:a00:0/104",
    "::ffff:0:0/96",
    "::ffff:0.0.0.0/96",
    "::FFFF:192.0.2.1",
    "0:0:0:0:0:ffff:c000:0201/128",
    "fe80::1%eth0",
    "fe80::1%eth0/64",
    "fe80::1%25eth0/64",
    "[2001:db8::]/32",
    "2001:db8::/32 ",
    "\t10.0.0.0/8",
    "10.0.0.0 /8",
    "**",
    "10.0.0.*",
];

const NO_ADDRESSES: [&str; 22] = [
    " ",
    "192.0.2.1 ",
    "192.0.2.1\n",
    "192.0.2.1\0",
    "192.0.2.1/32",
    "192.0.2.1:80",
    "[::1]",
    "[::1]:80",
    "::1%lo",
    "fe80::1%25eth0",
    "192.0.2.01",
    "0300.0.2.1",
    "0xc0.0.2.1",
    "192.0.2",
    "3221225985",
    "::ffff:192.0.2.01",
    "::ffff:192.0.2",
    "1::2::3",
    "12345::",
    "１９２.0.2.1",
    "localhost",
    "192.0.2.1, 10.0.0.1",
];

async fn what_has_two_meanings_is_no_network_and_no_address(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    let networks = strings(&["192.0.2.0/24"]);
    let key = proto::Key { allowed_cidrs: networks.clone(), ..reader() };
    let made = root.create_key("acme", "kept", key).await;
    let head = root.head().await;
    for written in NO_NETWORKS {
        for list in [strings(&[written]), strings(&["10.0.0.0/8", written, "::/0"])] {
            let key = proto::Key { allowed_cidrs: list.clone(), ..reader() };
            let place = list.iter().position(|text| text == written).unwrap();
            let request = proto::CreateKeyRequest {
                parent: "workspaces/acme".to_owned(),
                key: Some(key.clone()),
                ..Default::default()
            };
            let refused = wrong_fields(root.admin.create_key(request).await);
            assert_eq!(refused, [format!("key.allowed_cidrs[{place}]")], "{written:?}");
            let key = proto::Key { name: "workspaces/acme/keys/kept".to_owned(), ..key };
            let request = proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
            let refused = wrong_fields(root.admin.update_key(request).await);
            assert_eq!(refused, [format!("key.allowed_cidrs[{place}]")], "{written:?}");
        }
    }
    assert_eq!(root.head().await, head);
    let mut ways = Ways::new(root.clone()).await;
    let from = |client: &str| IntrospectRequest {
        client_ip: client.to_owned(),
        ..question(&made.secret, &["sites:read"], "")
    };
    for written in NO_ADDRESSES {
        for way in WAYS {
            let refused = ways.ask(way, &from(written)).await.unwrap_err();
            let expected = (tonic::Code::InvalidArgument, "INVALID_FIELDS".to_owned());
            assert_eq!(refused, expected, "{way:?}: {written:?}");
        }
    }
    for way in WAYS {
        let answer = ways.ask(way, &from("192.0.2.1")).await.unwrap();
        assert_eq!(answer.reason(), DenyReason::Unspecified, "{way:?}");
    }
}

/// An address as its bits: 32 of them, or 128.
type Bits = Vec<bool>;

/// The bits of bytes, the first bit first.
fn bits(bytes: &[u8]) -> Bits {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 == 1)).collect()
}

/// Whether the address, of 4 or 16 bytes, is in the network, by its bits alone.
fn is_within(network: &(Vec<u8>, usize), address: &[u8]) -> bool {
    const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    let address = match address.strip_prefix(&MAPPED) {
        Some(rest) if address.len() == 16 => rest,
        _ => address,
    };
    let (own, its) = (bits(&network.0), bits(address));
    own.len() == its.len() && own[..network.1] == its[..network.1]
}

/// An address of 4 or 16 bytes as text, in one of its spellings.
fn spelt(address: &[u8], random: &mut Random) -> String {
    if let [a, b, c, d] = address {
        return format!("{a}.{b}.{c}.{d}");
    }
    let group = |pair: &[u8]| u16::from_be_bytes([pair[0], pair[1]]);
    let groups: Vec<u16> = address.chunks(2).map(group).collect();
    let written = |groups: &[u16], wide: bool| {
        let each = groups
            .iter()
            .map(|group| if wide { format!("{group:04X}") } else { format!("{group:x}") });
        each.collect::<Vec<_>>().join(":")
    };
    match random.below(4) {
        0 => written(&groups, true),
        1 => written(&groups, false),
        2 => {
            let [a, b, c, d] = [address[12], address[13], address[14], address[15]];
            format!("{}:{a}.{b}.{c}.{d}", written(&groups[..6], false))
        }
        _ => {
            let bits = u128::from_be_bytes(address.try_into().unwrap());
            std::net::Ipv6Addr::from_bits(bits).to_string()
        }
    }
}

/// A network without host bits: its bytes and the length of its prefix.
fn any_network(random: &mut Random) -> (Vec<u8>, usize) {
    let size = if random.below(2) == 0 { 4 } else { 16 };
    // Few at the first bytes, so that networks meet.
    let mut bytes: Vec<u8> = (0..size).map(|_| [0, 1, 127, 128, 255][random.below(5)]).collect();
    if size == 16 && random.below(2) == 0 {
        bytes[..10].fill(0);
        // Near the mapped addresses, and never one of them.
        bytes[10..12].fill([0xfe, 0x00][random.below(2)]);
    }
    let length = random.below(size * 8 + 1);
    for place in length..size * 8 {
        bytes[place / 8] &= !(0x80 >> (place % 8));
    }
    (bytes, length)
}

/// Addresses at, just before and just after both ends of a network, mapped ones among them.
fn around(network: &(Vec<u8>, usize)) -> Vec<Vec<u8>> {
    let (bytes, length) = network;
    let mut last = bytes.clone();
    for place in *length..bytes.len() * 8 {
        last[place / 8] |= 0x80 >> (place % 8);
    }
    let stepped = |bytes: &[u8], up: bool| {
        let mut bytes = bytes.to_vec();
        for byte in bytes.iter_mut().rev() {
            let (next, carries) =
                if up { byte.overflowing_add(1) } else { byte.overflowing_sub(1) };
            *byte = next;
            if !carries {
                break;
            }
        }
        bytes
    };
    let mut all = vec![bytes.clone(), last.clone(), stepped(bytes, false), stepped(&last, true)];
    let mapped = |address: &Vec<u8>| {
        let mut wide = vec![0; 10];
        wide.extend([0xff, 0xff]);
        wide.extend(address);
        wide
    };
    let compatible = |address: &Vec<u8>| [vec![0; 12], address.clone()].concat();
    let of_v4: Vec<_> = all.iter().filter(|address| address.len() == 4).cloned().collect();
    all.extend(of_v4.iter().map(mapped));
    all.extend(of_v4.iter().map(compatible));
    all
}

/// How many keys are made, and how many networks each has at most.
const KEYS: usize = 40;
const NETWORKS_MAX: usize = 5;

async fn a_list_of_networks_admits_what_its_bits_say(store: Store) {
    let (_server, root) = store.with_workspaces().await;
    let mut random = Random::new(seed("ip_parsing"));
    let mut ways = Ways::new(root.clone()).await;
    let (mut within, mut outside) = (0, 0);
    for _ in 0..KEYS {
        let count = 1 + random.below(NETWORKS_MAX);
        let networks: Vec<_> = (0..count).map(|_| any_network(&mut random)).collect();
        let mut texts = Vec::new();
        for (bytes, length) in &networks {
            texts.push(format!("{}/{length}", spelt(bytes, &mut random)));
        }
        let secret = made(&root, &texts).await;
        for address in networks.iter().flat_map(around) {
            let client_ip = spelt(&address, &mut random);
            let expected = networks.iter().any(|network| is_within(network, &address));
            let asked = IntrospectRequest { client_ip, ..question(&secret, &[], "") };
            let way: Way = WAYS[random.below(WAYS.len())];
            let answer = ways.ask(way, &asked).await.unwrap();
            let reason = if expected { DenyReason::Unspecified } else { DenyReason::IpNotAllowed };
            assert_eq!(answer.reason(), reason, "{} from {texts:?}", asked.client_ip);
            *(if expected { &mut within } else { &mut outside }) += 1;
        }
    }
    assert!(within > 100 && outside > 100, "{within} within, {outside} outside");
}

async fn made(root: &Caller, networks: &[String]) -> String {
    let key = proto::Key { allowed_cidrs: networks.to_vec(), ..reader() };
    root.clone().create_key("acme", "", key).await.secret
}

async fn a_connection_over_ipv6_from_an_ipv4_address_is_of_that_address(store: Store) {
    let server =
        store.server_with(|settings| settings.server.listen = "[::]:0".parse().unwrap()).await;
    let port = server.address.port();
    let by_v4 = format!("127.0.0.1:{port}").parse().unwrap();
    let by_v6 = format!("[::1]:{port}").parse().unwrap();
    let mut root = caller_at(by_v4, &server.root_secret).await;
    for (networks, over_v4, over_v6) in [
        (&["127.0.0.0/8"][..], true, false),
        (&["127.0.0.1"], true, false),
        (&["::/0"], false, true),
        (&["::1"], false, true),
        (&["0.0.0.0/0"], true, false),
        (&["::/1", "128.0.0.0/1"], false, true),
        (&["*"], true, true),
    ] {
        let key = proto::Key { allowed_cidrs: strings(networks), ..operator() };
        let secret = root.create_key("system", "", key).await.secret;
        for (address, expected) in [(by_v4, over_v4), (by_v6, over_v6)] {
            let mut caller = caller_at(address, &secret).await;
            let listed = caller.admin.list_policies(proto::ListPoliciesRequest::default()).await;
            assert_eq!(listed.is_ok(), expected, "{networks:?} from {address}");
            let asked = caller.introspect.introspect(question(&secret, &[], "")).await;
            assert_eq!(asked.is_ok(), expected, "{networks:?} from {address}");
        }
    }
}

async fn no_header_says_where_a_caller_is(store: Store) {
    let server = store.server().await;
    let key = proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..operator() };
    let secret = server.root().await.create_key("system", "", key).await.secret;
    let channel = server.channel().await;
    for (name, value) in [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-real-ip", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("x-client-ip", "192.0.2.1"),
        ("true-client-ip", "192.0.2.1"),
        ("cf-connecting-ip", "192.0.2.1"),
        ("x-envoy-external-address", "192.0.2.1"),
    ] {
        for path in ["/keyward.v1.Introspect/Introspect", "/keyward.v1.KeyAdmin/ListPolicies"] {
            let mut headers = bearer(&secret);
            headers.insert(name, value.parse().unwrap());
            let reply = send(&channel, path, headers, framed(&[])).await;
            assert_eq!(reply.reason(), "CALLER_ADDRESS_NOT_ALLOWED", "{name}: {path}");
        }
    }
}
