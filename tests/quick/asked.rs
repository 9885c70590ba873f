//! Questions, well asked or not, by chance.

use std::{collections::VecDeque, time::Duration};

use keyward::proto::{IntrospectRequest, IntrospectView};
use prost::{Message as _, encoding::encode_varint};

use crate::{
    random::Random,
    sent::{Call, INTROSPECT, Part, Sent, framed, prefixed},
    world::World,
};

/// One of these.
pub(crate) fn one<'a, T: ?Sized>(random: &mut Random, of: &[&'a T]) -> &'a T {
    of[random.below(of.len())]
}

/// Whether something happens that happens once in so many times.
fn once_in(random: &mut Random, times: usize) -> bool {
    random.below(times) == 0
}

/// A secret: of a key, of none, or nearly of one.
fn secret(random: &mut Random, world: &World) -> String {
    let mut secret = one(random, &world.secrets()).to_owned();
    match random.below(24) {
        0 => return String::new(),
        1 => return world.mint(),
        2 => secret.truncate(random.below(secret.len())),
        3 => secret.push(char::from(random.below(128) as u8)),
        4 => {
            let place = random.below(secret.len());
            secret.replace_range(place..=place, "x");
        }
        _ => {}
    }
    secret
}

fn scopes(random: &mut Random) -> Vec<String> {
    let area = |random: &mut Random| format!("area{}:read", random.below(10));
    let count = match random.below(40) {
        0 => 100,
        1 => 101,
        _ => random.below(4),
    };
    let mut scopes: Vec<_> = (0..count).map(|_| area(random)).collect();
    if once_in(random, 4) {
        scopes.push("sites:write".into());
    }
    if once_in(random, 20) {
        scopes.push(one(random, &["area10:read", "", "\u{e9}", "open", "*"]).into());
    }
    scopes
}

/// A question.
pub(crate) fn question(random: &mut Random, world: &World) -> IntrospectRequest {
    const ADDRESSES: &[&str] = &[
        "192.0.2.1",
        "192.0.2.255",
        "198.51.100.7",
        "198.51.100.8",
        "2001:db8::1",
        "2001:db9::1",
        "::ffff:192.0.2.1",
        "10.0.0.1",
        "",
    ];
    const NO_ADDRESSES: &[&str] = &["192.0.2.01", "256.0.0.1", "::1%eth0", " 192.0.2.1", "x"];
    const RESOURCES: &[&str] =
        &["sites/1", "sites/1/doors", "sites/2", "sites/3", "sites", "doors/1", "", ""];
    const NO_RESOURCES: &[&str] = &["/", "sites//1", "sites/*", "sites/1/", "\u{7f}", "*"];
    let rarely = |random: &mut Random, usual: &[&str], rare: &[&str]| {
        let of = if once_in(random, 16) { rare } else { usual };
        one(random, of).to_owned()
    };
    let class = match random.below(20) {
        0 => "c".repeat(100),
        1 => "c".repeat(101),
        2 => "reed".to_owned(),
        3 | 4 => "read".to_owned(),
        5 | 6 => "write".to_owned(),
        _ => String::new(),
    };
    let cost = match random.below(12) {
        0 => 1,
        1 => 5,
        2 => i64::MAX,
        3 => 1_000_000,
        4 if once_in(random, 2) => -1,
        5 if once_in(random, 3) => i64::MIN,
        _ => 0,
    };
    let view = match random.below(8) {
        0..3 => IntrospectView::Decision.into(),
        3..5 => IntrospectView::Full.into(),
        5 => [3, -1, i32::MAX, i32::MIN][random.below(4)],
        _ => 0,
    };
    let (secret, mut required_scopes) = (secret(random, world), scopes(random));
    // Of callers there are none of these scopes.
    if secret.starts_with("keyward") && !once_in(random, 8) {
        required_scopes.clear();
    }
    IntrospectRequest {
        secret,
        client_ip: rarely(random, ADDRESSES, NO_ADDRESSES),
        required_scopes,
        resource: rarely(random, RESOURCES, NO_RESOURCES),
        class,
        cost,
        view,
    }
}

/// Fields that a message may have more: unknown ones, ones written otherwise, ones twice.
const MORE: &[&[u8]] = &[
    b"\x40\x01",                                         // An unknown number.
    b"\x7a\x03abc",                                      // An unknown text.
    b"\x43\x44",                                         // An unknown group.
    b"\x00\x00",                                         // The field 0, which there is not.
    b"\x8a\x00\x03abc",                                  // A secret by a tag that is too long.
    b"\x0a\x83\x00abc",                                  // A length that is too long.
    b"\x0a\x00",                                         // No secret, after another.
    b"\x12\x09192.0.2.9",                                // Another address.
    b"\x12\x02\xff\xfe",                                 // No UTF-8.
    b"\x22\x07sites/2",                                  // Another resource.
    b"\x2a\x04read",                                     // Another class.
    b"\x30\x05",                                         // Another cost.
    b"\x30\x81\x00",                                     // The same, too long.
    b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     // -1
    b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",     // More than 64 bits.
    b"\x30\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", // Eleven bytes.
    b"\x31\x01\x02\x03\x04\x05\x06\x07\x08",             // A cost of eight bytes.
    b"\x32\x01\x01",                                     // A cost as bytes.
    b"\x38\x01",                                         // Another view.
    b"\x38\x81\x80\x80\x80\x10",                         // A view of more than 32 bits.
    b"\x38\xff\xff\xff\xff\x0f",                         // The same, in five bytes.
    b"\x3d\x01\x02\x03\x04",                             // A view of four bytes.
    b"\x0d\x01\x02\x03\x04",                             // A secret of four bytes.
    b"\x1a\x0aarea0:read",                               // Another scope.
    b"\x1a\x7fopen",                                     // A text that is not all here.
    b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     // As long as there is no memory.
    b"\x0a",                                             // A tag alone.
    b"\x80",                                             // Half of one.
];

/// A message of a question, damaged now and then.
pub(crate) fn message(random: &mut Random, world: &World) -> Vec<u8> {
    let mut bytes = question(random, world).encode_to_vec();
    let place = random.below(bytes.len() + 1);
    match random.below(24) {
        0 => bytes.truncate(place),
        1 => bytes.insert(place, random.next() as u8),
        2 if place < bytes.len() => bytes[place] = random.next() as u8,
        3 => bytes.extend(question(random, world).encode_to_vec()),
        4 => bytes.extend(one(random, MORE)),
        5 => bytes = [one(random, MORE), &*bytes].concat(),
        6 => bytes.clear(),
        7 => bytes = (0..random.below(60)).map(|_| random.next() as u8).collect(),
        _ => {}
    }
    bytes
}

/// A message of several questions, damaged now and then.
pub(crate) fn batch_message(random: &mut Random, world: &World) -> Vec<u8> {
    let count = match random.below(12) {
        0 => 0,
        1 => 99 + random.below(3),
        _ => 1 + random.below(5),
    };
    let is_damaged = once_in(random, 3);
    let mut requests: Vec<u8> = Vec::new();
    for _ in 0..count {
        let one = if is_damaged { message(random, world) } else { usual(random, world) };
        requests.push(0x0a);
        encode_varint(one.len() as u64, &mut requests);
        requests.extend(one);
    }
    match random.below(24) {
        0 => requests.extend(self::one(random, MORE)),
        1 => requests.truncate(random.below(requests.len() + 1)),
        _ => {}
    }
    requests
}

/// A message of a question that makes sense.
fn usual(random: &mut Random, world: &World) -> Vec<u8> {
    let question = question(random, world);
    IntrospectRequest {
        client_ip: "192.0.2.1".into(),
        required_scopes: Vec::new(),
        class: String::new(),
        cost: question.cost.clamp(0, 5),
        ..question
    }
    .encode_to_vec()
}

/// All of [`MORE`], each after a whole question.
pub(crate) fn with_more(question: &IntrospectRequest) -> impl Iterator<Item = Vec<u8>> {
    let whole = question.encode_to_vec();
    MORE.iter().map(move |more| [&*whole, more].concat())
}

/// A body with this message, not as usual now and then.
fn body(random: &mut Random, message: &[u8]) -> Sent {
    let whole = framed(message);
    let data = |bytes: &[u8]| Part::Data(bytes.to_vec().into());
    let (begin, end) = whole.split_at(random.below(whole.len() + 1));
    let mut parts: VecDeque<_> = match random.below(30) {
        0 => [data(begin), data(end)].into(),
        1 => [data(b""), data(&whole)].into(),
        2 => [data(&prefixed(1, message.len(), message))].into(),
        3 => [data(&prefixed(0, message.len() + 1, message))].into(),
        4 if !message.is_empty() => [data(&prefixed(0, message.len() - 1, message))].into(),
        5 => [data(&[&*whole, &whole].concat())].into(),
        6 => VecDeque::new(),
        7 => [data(begin)].into(),
        8 => [data(&whole), data(b"")].into(),
        _ => [data(&whole)].into(),
    };
    let place = random.below(parts.len() + 1);
    match random.below(30) {
        0 => parts.insert(place, Part::Pending),
        1 => parts.push_back(Part::Trailers),
        2 => parts.insert(place, Part::Fails),
        3 => parts.push_back(Part::FailsForEver),
        _ => {}
    }
    let mut body = Sent::new(parts);
    body.tells_end = !once_in(random, 20);
    body
}

/// A call.
pub(crate) fn call(random: &mut Random, world: &World) -> Call {
    const CALLERS: &[&str] =
        &["confined", "without-scope", "fired", "ended", "at-home", "abroad", "reader", "cold"];
    let caller = match random.below(4) {
        0 => one(random, CALLERS),
        1 => "asker",
        _ => "root",
    };
    let message = message(random, world);
    let call = Call::new(world.secret(caller), body(random, &message));
    match random.below(40) {
        0 => call.with("grpc-timeout", b"5S"),
        1 => call.with("grpc-timeout", b"5"),
        2 => Call { waited: Duration::from_secs(6), ..call.with("grpc-timeout", b"5S") },
        3 => call.with("grpc-encoding", b"identity"),
        4 => call.with("grpc-encoding", b"gzip"),
        5 => call.with("authorization", b"Bearer x"),
        6 => call.without("authorization"),
        7 => call.to(&format!("{INTROSPECT}/")),
        _ => call,
    }
}
