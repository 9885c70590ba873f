//! Changes of messages that leave them messages: a field is set, taken away, doubled or changed.

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use crate::{random::Random, seeds::stood_in};

/// How deep a message in a message is made.
const DEPTH_MAX: usize = 6;

/// What texts may be, besides what they were.
const WORDS: &[&str] = &[
    "workspaces/team",
    "workspaces/fleet",
    "workspaces/team/keys/minter",
    "workspaces/fleet/keys/filtered",
    "workspaces/team/principals/crew",
    "policies/team",
    "read-only",
    "deploy-bot",
    "PLACE/Site/7/THING/#/#",
    "PLACE/Site/**",
    "team/1/site/2",
    "standard",
    "service",
    "personal",
    "jobs:read",
    "sites:read",
    "",
    "*",
    "**",
    "acme",
    "other",
    "system",
    "asleep",
    "fresh",
    "full",
    "policies/acme",
    "policies/veiled",
    "policies/system",
    "workspaces/acme",
    "workspaces/other",
    "workspaces/system",
    "workspaces/asleep",
    "workspaces/nobodys",
    "workspaces/acme/keys/full",
    "workspaces/acme/keys/reader",
    "workspaces/acme/keys/writer",
    "workspaces/acme/keys/revoked",
    "workspaces/acme/keys/rotated",
    "workspaces/acme/keys/orphan",
    "workspaces/acme/keys/soon",
    "workspaces/other/keys/foreign",
    "workspaces/system/keys/bound",
    "workspaces/acme/principals/owner",
    "workspaces/acme/principals/gone",
    "workspaces/other/principals/owner",
    "area0:read",
    "area1:read",
    "area*",
    "sites:write",
    "open",
    "a:b",
    "introspect",
    "keys:read",
    "keys:write",
    "sites/1",
    "sites/*",
    "sites/1/**",
    "/",
    "sites//1",
    "192.0.2.0/24",
    "192.0.2.7",
    "10.0.0.1/8",
    "::/0",
    "::ffff:192.0.2.1",
    "2001:db8::/32",
    "live",
    "robot",
    "operator",
    "metered",
    "narrow",
    "acme_live",
    "read",
    "write",
    "display_name",
    "grants",
    "constraint",
    "allowed_cidrs",
    "expire_time",
    "ttl",
    "never_expires",
    "plan",
    "labels",
    "name",
    "etag",
    "state",
    "role",
    "confined_to",
    "kind",
    "policy",
    "scopes",
    "key_types",
    "plans",
    "expiry",
    "grants.scope",
    "key.display_name",
    "create_time",
    "create_time desc",
    "display_name desc",
    "expire_time,name",
    "01990e0c-7b6f-7000-8000-000000000001",
    "01990e0c-7b6f-7000-8000-000000000002",
    "r1",
    "r7",
    "r20",
    "e30",
    "\u{0}",
    "\u{202e}",
    "e\u{301}",
    "\u{10fffd}",
    "{x}:read",
    "acme_live_x",
];
/// What secrets stand in for.
const SECRETS: &[&str] = &[
    "$reader", "$full", "$rotated", "$newer", "$foreign", "$bound", "$root", "$minter", "x$reader",
];
const NUMBERS: &[i64] = &[
    0,
    1,
    2,
    3,
    5,
    50,
    100,
    101,
    999,
    1_000,
    1_001,
    3_600,
    86_400,
    1_800_000_000,
    1_800_086_400,
    253_402_300_799,
    253_402_300_800,
    -1,
    -62_135_596_801,
    315_576_000_000,
    315_576_000_001,
    999_999_999,
    1_000_000_000,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
];

fn one<T: Copy>(random: &mut Random, of: &[T]) -> T {
    of[random.below(of.len())]
}

fn text(random: &mut Random, before: &str) -> String {
    let mut text = before.to_owned();
    let places: Vec<usize> =
        text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
    let place = one(random, &places);
    match random.below(8) {
        0 => text.truncate(place),
        1 => text.insert_str(place, one(random, WORDS)),
        2 => text.insert(place, char::from(random.below(128) as u8)),
        3 => drop(text.drain(..place)),
        6 if random.below(3) == 0 => return stood_in(one(random, SECRETS)),
        4 => return format!("{}{}", one(random, WORDS), random.below(3)),
        5 if random.below(8) == 0 => return one(random, WORDS).repeat(random.below(80)),
        _ => return one(random, WORDS).to_owned(),
    }
    text
}

fn scalar(kind: &Kind, random: &mut Random, before: Option<&Value>, depth: usize) -> Value {
    let number = one(random, NUMBERS);
    match kind {
        Kind::String => {
            Value::String(text(random, before.and_then(Value::as_str).unwrap_or_default()))
        }
        Kind::Bytes => Value::Bytes(number.to_be_bytes().to_vec().into()),
        Kind::Bool => Value::Bool(random.below(2) == 0),
        Kind::Enum(_) => Value::EnumNumber(if random.below(8) == 0 {
            number as i32
        } else {
            random.below(9) as i32
        }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number as u64),
        Kind::Float => Value::F32(number as f32),
        Kind::Double => Value::F64(number as f64),
        Kind::Message(descriptor) => {
            let before = before.and_then(Value::as_message).cloned();
            let mut message = before.unwrap_or_else(|| DynamicMessage::new(descriptor.clone()));
            change(&mut message, random, depth + 1);
            Value::Message(message)
        }
    }
}

fn list(kind: &Kind, random: &mut Random, mut items: Vec<Value>, depth: usize) -> Value {
    let place = random.below(items.len().max(1));
    match random.below(5) {
        0 if !items.is_empty() => drop(items.remove(place)),
        1 if !items.is_empty() => items.insert(place, items[place].clone()),
        2 if !items.is_empty() => {
            items[place] = scalar(kind, random, Some(&items[place].clone()), depth);
        }
        3 if items.len() > 1 => items.swap(0, place),
        _ => items.push(scalar(kind, random, None, depth)),
    }
    Value::List(items)
}

fn changed(field: &FieldDescriptor, random: &mut Random, before: &Value, depth: usize) -> Value {
    if let Value::Map(entries) = before {
        let mut entries = entries.clone();
        let Kind::Message(entry) = field.kind() else { return before.clone() };
        let value = scalar(&entry.map_entry_value_field().kind(), random, None, depth);
        entries.insert(MapKey::String(text(random, "env")), value);
        return Value::Map(entries);
    }
    match before {
        Value::List(items) => list(&field.kind(), random, items.clone(), depth),
        _ => scalar(&field.kind(), random, Some(before), depth),
    }
}

/// Changes one field of a message, or of one in it.
fn change(message: &mut DynamicMessage, random: &mut Random, depth: usize) {
    let fields: Vec<FieldDescriptor> = message.descriptor().fields().collect();
    let given: Vec<FieldDescriptor> =
        fields.iter().filter(|it| message.has_field(it)).cloned().collect();
    // Mostly what is given already.
    let from = if given.is_empty() || random.below(3) == 0 { &fields } else { &given };
    if from.is_empty() || depth > DEPTH_MAX {
        return;
    }
    let field = &from[random.below(from.len())];
    if message.has_field(field) && random.below(8) == 0 {
        message.clear_field(field);
        return;
    }
    let before = message.get_field(field).into_owned();
    let after = changed(field, random, &before, depth);
    message.set_field(field, after);
}

/// A message with some changes; none where the bytes are no message.
pub(crate) fn message(of: MessageDescriptor, bytes: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut message = DynamicMessage::decode(of, bytes).ok()?;
    for _ in 0..=random.below(3) {
        change(&mut message, random, 0);
    }
    Some(message.encode_to_vec())
}

/// Bytes with some changes, whatever they are.
pub(crate) fn bytes(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(3) {
        let place = random.below(bytes.len() + 1);
        let end = (place + 1 + random.below(8)).min(bytes.len());
        match random.below(7) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, random.next() as u8),
            2 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
            3 => drop(bytes.drain(place..end)),
            4 => bytes.extend_from_within(place..end),
            5 => drop(bytes.splice(place..place, one(random, WORDS).bytes())),
            _ => bytes.insert(place, one(random, b"/*:.,_-~\n\0 \x7f\xff0a")),
        }
    }
    bytes
}
