//! YAML as other programs read it: as the JSON that it stands for.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The document as JSON; nothing for one that has none.
pub(crate) fn json(source: &str) -> Option<Value> {
    let events: Result<Vec<_>, _> = Parser::new_from_str(source).collect();
    let events = events.ok()?.into_iter().map(|(event, _)| event);
    let mut content =
        events.filter(|event| !matches!(event, Event::StreamStart | Event::DocumentStart(_)));
    value(&mut content)
}

fn value<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Option<Value> {
    match events.next()? {
        Event::Scalar(text, style, ..) => Some(scalar(&text, style == ScalarStyle::Plain)),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            while let Some(item) = value(events) {
                items.push(item);
            }
            Some(Value::Array(items))
        }
        Event::MappingStart(..) => {
            let mut entries = Map::new();
            while let Some(key) = value(events) {
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                entries.insert(key, value(events)?);
            }
            Some(Value::Object(entries))
        }
        _ => None,
    }
}

fn scalar(text: &str, plain: bool) -> Value {
    match text {
        "" | "~" | "null" if plain => Value::Null,
        "true" if plain => Value::Bool(true),
        "false" if plain => Value::Bool(false),
        text if plain && text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        }
        text => Value::String(text.to_owned()),
    }
}
