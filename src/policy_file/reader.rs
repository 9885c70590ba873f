//! Reads a tree along the descriptor of a message.

mod value;

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

pub(super) use value::{DURATION, short_names};

use super::{
    Language,
    faults::Noted,
    places::{Places, Within},
    text,
    tree::{Content, Entry, Node},
};
use crate::domain::fault::nearest;

/// The message that a tree is, as far as it is one, with the places of its fields. What is
/// `json` may be as answers are printed.
pub(super) fn read(
    language: &Language,
    root: &Node,
    json: bool,
    noted: &mut Noted,
) -> Option<(DynamicMessage, Places)> {
    let mut reader = Reader { language, json, noted };
    let refused = reader.refuse(root, "");
    let Content::Map(entries) = &root.content else {
        if !refused {
            reader.noted.note(root.place, "", "must be a mapping with keys such as scopes");
        }
        skip(root, "", noted);
        return None;
    };
    Some(reader.message(language.policy(), root, entries, ""))
}

/// Notes what of YAML is refused in a part of the tree that has no meaning.
pub(super) fn skip(node: &Node, path: &str, noted: &mut Noted) {
    for refused in &node.refused {
        noted.note(node.place, path, refused);
    }
    skip_within(node, path, noted);
}

/// Notes what of YAML is refused within a value.
fn skip_within(node: &Node, path: &str, noted: &mut Noted) {
    match &node.content {
        Content::Scalar { .. } | Content::None => {}
        Content::List(nodes) => {
            for (at, node) in nodes.iter().enumerate() {
                skip(node, &format!("{path}[{at}]"), noted);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                let path = text::under(path, &entry.key);
                if let Some(fault) = &entry.fault {
                    noted.note(entry.place, &path, fault);
                }
                skip(&entry.value, &path, noted);
            }
        }
    }
}

struct Reader<'a> {
    language: &'a Language,
    /// Whether names may be written as JSON has them, and what files leave out is passed over.
    json: bool,
    noted: &'a mut Noted,
}

impl Reader<'_> {
    /// Notes what of YAML the value has that is refused, and says whether there is any.
    fn refuse(&mut self, node: &Node, path: &str) -> bool {
        for refused in &node.refused {
            self.noted.note(node.place, path, refused);
        }
        !node.refused.is_empty()
    }

    fn message(
        &mut self,
        message: &MessageDescriptor,
        node: &Node,
        entries: &[Entry],
        path: &str,
    ) -> (DynamicMessage, Places) {
        let mut read = DynamicMessage::new(message.clone());
        let mut places: Vec<(String, Places)> = Vec::new();
        for entry in entries {
            let Some(field) = self.field(message, entry, entries, path) else {
                skip(&entry.value, &text::under(path, &entry.key), self.noted);
                continue;
            };
            let path = text::under(path, &entry.key);
            if self.json && places.iter().any(|(name, _)| name == field.name()) {
                self.noted.note(entry.place, &path, "is there already, by its other name");
                continue;
            }
            let (value, place) = self.field_value(&field, &entry.value, &path);
            if entry.fault.is_some() {
                continue;
            }
            if let Some(value) = value {
                // The value is of the field's kind: it is made by it.
                let _ = read.try_set_field(&field, value);
            }
            places.push((field.name().to_owned(), place));
        }
        for field in self.language.fields(message).filter(|field| self.language.requires(field)) {
            if !places.iter().any(|(name, _)| name == field.name()) {
                self.noted.note(node.place, &text::under(path, field.name()), "is missing");
                let place = Places { faulty: true, ..Places::of(node.place) };
                places.push((field.name().to_owned(), place));
            }
        }
        (read, Places { within: Within::Fields(places), ..Places::of(node.place) })
    }

    /// The field that a key is, or seems to be meant for; a key that is none is noted.
    fn field(
        &mut self,
        message: &MessageDescriptor,
        entry: &Entry,
        entries: &[Entry],
        path: &str,
    ) -> Option<FieldDescriptor> {
        let key = entry.key.as_str();
        let here = text::under(path, key);
        if let Some(fault) = &entry.fault {
            self.noted.note(entry.place, &here, fault);
        }
        let by_json_name = || self.json.then(|| message.get_field_by_json_name(key)).flatten();
        match message.get_field_by_name(key).or_else(by_json_name) {
            Some(field) if !self.language.leaves_out(&field) => return Some(field),
            Some(_) if self.json => return None,
            Some(_) => {
                let fault = "is no part of a policy file: Keyward sets it; leave it out";
                self.noted.note(entry.place, &here, fault);
                return None;
            }
            None => {}
        }
        if entry.fault.is_some() {
            return None;
        }
        let fields: Vec<FieldDescriptor> = self.language.fields(message).collect();
        let names = || fields.iter().map(FieldDescriptor::name);
        let hint = self
            .noted
            .wants_hint()
            .then(|| nearest(key, names()).or_else(|| nearest(&key.to_ascii_lowercase(), names())))
            .flatten();
        let Some(hint) = hint else {
            let names: Vec<&str> = names().collect();
            let fault = format!("there is no such key here; there are {}", names.join(", "));
            self.noted.note(entry.place, &here, fault);
            return None;
        };
        self.noted.note(
            entry.place,
            &here,
            format_args!("there is no such key here; did you mean {hint}?"),
        );
        // Read as what is meant, what is wrong in it is found too.
        let free = !entries.iter().any(|other| other.key == hint);
        fields.iter().find(|field| free && field.name() == hint).cloned()
    }

    /// The value of a field, and where its parts stand. Nothing where it is wrong.
    fn field_value(
        &mut self,
        field: &FieldDescriptor,
        node: &Node,
        path: &str,
    ) -> (Option<Value>, Places) {
        if field.is_map() {
            return self.map(field, node, path);
        }
        if !field.is_list() {
            return self.value(&field.kind(), node, path);
        }
        let refused = self.refuse(node, path);
        let Content::List(nodes) = &node.content else {
            if !refused {
                self.noted.note(node.place, path, value::no_list(node));
            }
            skip_within(node, path, self.noted);
            return (None, Places { faulty: true, ..Places::of(node.place) });
        };
        let (mut values, mut places) = (Vec::new(), Vec::new());
        for (at, node) in nodes.iter().enumerate() {
            let (value, place) = self.value(&field.kind(), node, &format!("{path}[{at}]"));
            // What is wrong has its number all the same.
            values.push(value.unwrap_or_else(|| Value::default_value(&field.kind())));
            places.push(place);
        }
        (
            Some(Value::List(values)),
            Places { within: Within::Items(places), ..Places::of(node.place) },
        )
    }

    /// A map field: what is in it has no places of its own.
    fn map(&mut self, field: &FieldDescriptor, node: &Node, path: &str) -> (Option<Value>, Places) {
        let refused = self.refuse(node, path);
        let Kind::Message(entry) = field.kind() else { return (None, Places::of(node.place)) };
        let (key_field, value_field) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let (Content::Map(entries), Kind::String) = (&node.content, key_field.kind()) else {
            if !refused {
                self.noted.note(node.place, path, "must be a mapping");
            }
            skip_within(node, path, self.noted);
            return (None, Places { faulty: true, ..Places::of(node.place) });
        };
        let mut values = HashMap::new();
        for entry in entries {
            let path = text::under(path, &entry.key);
            if let Some(fault) = &entry.fault {
                self.noted.note(entry.place, &path, fault);
            }
            let (value, _) = self.value(&value_field.kind(), &entry.value, &path);
            if let (Some(value), None) = (value, &entry.fault) {
                values.insert(MapKey::String(entry.key.clone()), value);
            }
        }
        (Some(Value::Map(values)), Places::of(node.place))
    }
}
