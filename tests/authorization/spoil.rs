//! The same request with nonsense in every field that does not name what it is about.

use std::sync::LazyLock;

use keyward::proto;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value,
};

use crate::rows::Row;

/// The fields that say what a request is about.
const NAMES: &[&str] = &["name", "names", "parent", "policy_id", "workspace_id", "secret"];

/// What no field of text takes: not trimmed, a control character, one that turns the direction of text, far too long.
static NONSENSE: LazyLock<String> =
    LazyLock::new(|| " \u{7}\u{202e}no!".to_owned() + &"x".repeat(5_000));

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTOR_SET).unwrap());

/// A request of this row, spoilt.
pub(crate) fn spoilt(row: &Row, request: &[u8]) -> Vec<u8> {
    let (service, method) = row.call.split_once('/').unwrap();
    let service = POOL.get_service_by_name(service).unwrap();
    let method = service.methods().find(|declared| declared.name() == method).unwrap();
    let mut message = DynamicMessage::decode(method.input(), request).unwrap();
    spoil(&mut message, NAMES);
    message.encode_to_vec()
}

fn spoil(message: &mut DynamicMessage, kept: &[&str]) {
    for field in message.descriptor().fields() {
        if kept.contains(&field.name()) || field.is_map() {
            continue;
        }
        let before = message.has_field(&field).then(|| message.get_field(&field).into_owned());
        if let Some(value) = value(&field, before) {
            message.set_field(&field, value);
        }
    }
}

fn value(field: &FieldDescriptor, before: Option<Value>) -> Option<Value> {
    let one = match (field.kind(), before) {
        (Kind::Message(_), Some(Value::Message(mut inner))) => {
            // The resource that is changed is named in itself.
            spoil(&mut inner, &["name"]);
            return Some(Value::Message(inner));
        }
        (Kind::Message(_), Some(Value::List(mut all))) => {
            for value in &mut all {
                if let Value::Message(inner) = value {
                    spoil(inner, &[]);
                }
            }
            return Some(Value::List(all));
        }
        (Kind::String, _) => Value::String(NONSENSE.clone()),
        (Kind::Int32, _) => Value::I32(-1),
        (Kind::Int64, _) => Value::I64(-1),
        (Kind::Enum(_), _) => Value::EnumNumber(99),
        (Kind::Bool, _) => Value::Bool(true),
        _ => return None,
    };
    Some(if field.is_list() { Value::List(vec![one.clone(), one]) } else { one })
}
