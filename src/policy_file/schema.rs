//! The JSON Schema of policy files, for editors, made of the same descriptors.

mod limits;

use std::collections::HashMap;

use prost_reflect::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use self::limits::{Limit, limit};
use super::{
    Language, duration,
    language::messages,
    reader::{DURATION, short_names},
};

/// Whole numbers of 64 bits, as texts.
const WHOLE: &str = "^-?(0|[1-9][0-9]*)$";

/// JSON whose keys have an order.
#[derive(Clone)]
enum Json {
    Text(String),
    Number(i128),
    Bool(bool),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            // Whole: a number that is none in a schema would be written with its fraction.
            Self::Number(number) => match i64::try_from(*number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => serializer.serialize_u64(u64::try_from(*number).unwrap_or(u64::MAX)),
            },
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

fn text(text: impl Into<String>) -> Json {
    Json::Text(text.into())
}

fn map<const N: usize>(entries: [(&str, Json); N]) -> Json {
    Json::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

impl Json {
    /// The mapping with more entries.
    fn with(self, more: impl IntoIterator<Item = (&'static str, Json)>) -> Self {
        let Self::Map(mut entries) = self else { return self };
        entries.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Self::Map(entries)
    }
}

impl Language {
    /// The JSON Schema (draft 2020-12) of policy files, over several lines.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn schema(&self) -> Result<String, serde_json::Error> {
        let schema = Schema { language: self, comments: Comments::default() };
        serde_json::to_string_pretty(&schema.whole())
    }
}

struct Schema<'a> {
    language: &'a Language,
    comments: Comments,
}

impl Schema<'_> {
    fn whole(mut self) -> Json {
        let head = map([("$schema", text("https://json-schema.org/draft/2020-12/schema"))]);
        let Json::Map(policy) = self.message(self.language.policy()) else { return head };
        let mut definitions = Vec::new();
        for message in messages(self.language.policy()).iter().skip(1) {
            if message.package_name() == self.language.policy().package_name()
                && !message.is_map_entry()
            {
                definitions.push((message.name().to_owned(), self.message(message)));
            }
        }
        let Json::Map(mut whole) = head else { return head };
        whole.extend(policy);
        whole.push(("$defs".to_owned(), Json::Map(definitions)));
        Json::Map(whole)
    }

    fn message(&mut self, message: &MessageDescriptor) -> Json {
        let (mut properties, mut required) = (Vec::new(), Vec::new());
        for field in self.language.fields(message) {
            if self.language.requires(&field) {
                required.push(text(field.name()));
            }
            properties.push((field.name().to_owned(), self.field(&field)));
        }
        let description = self.comments.of(&message.parent_file(), message.path());
        map([("title", text(message.name()))])
            .with(description.map(|comment| ("description", text(comment))))
            .with([("type", text("object")), ("properties", Json::Map(properties))])
            .with((!required.is_empty()).then_some(("required", Json::List(required))))
            .with([("additionalProperties", Json::Bool(false))])
    }

    fn field(&mut self, field: &FieldDescriptor) -> Json {
        let mut description =
            self.comments.of(&field.parent_file(), field.path()).unwrap_or_default();
        if let Kind::Enum(names) = field.kind() {
            description.push_str(&self.names(&names));
        }
        if is_span(&field.kind()) {
            description.push_str(&format!(" {}", duration::WRITTEN));
        }
        let head = if description.is_empty() {
            map([])
        } else {
            map([("description", text(description))])
        };
        let Json::Map(kind) = (match field.kind() {
            Kind::Message(entry) if field.is_map() => map([
                ("type", text("object")),
                ("additionalProperties", kind(&entry.map_entry_value_field().kind())),
            ]),
            each if field.is_list() => map([("type", text("array")), ("items", kind(&each))])
                .with(self.language.requires(field).then_some(("minItems", Json::Number(1)))),
            one => limit(field.full_name()).map_or_else(|| kind(&one), Limit::schema),
        }) else {
            return head;
        };
        let Json::Map(mut whole) = head else { return head };
        whole.extend(kind);
        Json::Map(whole)
    }

    /// What the names of an enum mean.
    fn names(&mut self, names: &EnumDescriptor) -> String {
        let mut meanings = String::new();
        for (short, number) in short_names(names) {
            let value: Option<EnumValueDescriptor> = names.get_value(number);
            let path = value.as_ref().map(EnumValueDescriptor::path).unwrap_or_default();
            if let Some(comment) = self.comments.of(&names.parent_file(), path) {
                meanings.push_str(&format!("\n\n{short}: {comment}"));
            }
        }
        meanings
    }
}

fn is_span(kind: &Kind) -> bool {
    matches!(kind, Kind::Message(message) if message.full_name() == DURATION)
}

/// The schema of a single value.
fn kind(kind: &Kind) -> Json {
    match kind {
        Kind::String | Kind::Bytes => map([("type", text("string"))]),
        Kind::Bool => map([("type", text("boolean"))]),
        Kind::Float | Kind::Double => map([("type", text("number"))]),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole(i32::MIN.into(), i32::MAX.into()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole(i64::MIN.into(), i64::MAX.into()),
        Kind::Uint32 | Kind::Fixed32 => whole(0, u32::MAX.into()),
        Kind::Uint64 | Kind::Fixed64 => whole(0, u64::MAX.into()),
        Kind::Enum(names) => {
            let short = short_names(names);
            let long = names.values().filter(|value| {
                short.iter().any(|(name, number)| *number == value.number() && name != value.name())
            });
            let long: Vec<Json> = long.map(|value| text(value.name())).collect();
            let all = short.iter().map(|(name, _)| text(name)).chain(long);
            map([("enum", Json::List(all.collect()))])
        }
        span if is_span(span) => map([
            ("type", text("string")),
            ("pattern", text(duration::PATTERN)),
            ("minLength", Json::Number(2)),
            ("examples", Json::List(duration::EXAMPLES.map(text).into())),
        ]),
        Kind::Message(message) => map([("$ref", text(format!("#/$defs/{}", message.name())))]),
    }
}

/// The schema of whole numbers.
fn whole(least: i128, most: i128) -> Json {
    let number = map([
        ("type", text("integer")),
        ("minimum", Json::Number(least)),
        ("maximum", Json::Number(most)),
    ]);
    let digits = map([("type", text("string")), ("pattern", text(WHOLE))]);
    map([("anyOf", Json::List(vec![number, digits]))])
}

/// The comments of proto files, by file and the path of what they are about.
#[derive(Default)]
struct Comments(HashMap<String, HashMap<Vec<i32>, String>>);

impl Comments {
    /// What stands before an element: paragraphs, each on one line.
    fn of(&mut self, file: &FileDescriptor, path: &[i32]) -> Option<String> {
        let comments = self.0.entry(file.name().to_owned()).or_insert_with(|| {
            let source = file.file_descriptor_proto().source_code_info.as_ref();
            let locations = source.map(|source| source.location.as_slice()).unwrap_or_default();
            let comment = |location: &prost_types::source_code_info::Location| {
                let paragraphs = location.leading_comments().split("\n\n");
                let joined = |paragraph: &str| {
                    paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
                };
                paragraphs.map(joined).collect::<Vec<_>>().join("\n\n")
            };
            let all = locations.iter().map(|location| (location.path.clone(), comment(location)));
            all.filter(|(_, comment)| !comment.is_empty()).collect()
        });
        comments.get(path).cloned()
    }
}
