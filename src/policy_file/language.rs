//! What can be written in a policy file, by the descriptor of the message.

use std::collections::HashSet;

use prost_reflect::{
    DescriptorError, DescriptorPool, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};

use crate::proto;

/// The message that a file is.
const POLICY: &str = "keyward.v1.Policy";
/// The option that says how a field is used (AIP-203).
const BEHAVIOR: &str = "google.api.field_behavior";
/// Fields of the resource that are none of the file, beside those that are never given.
const LEFT_OUT: [&str; 1] = ["keyward.v1.Policy.etag"];

/// What can be written in a policy file.
#[derive(Debug)]
pub struct Language {
    pool: DescriptorPool,
    policy: MessageDescriptor,
    left_out: HashSet<String>,
    required: HashSet<String>,
}

/// Why the descriptors that this program carries are of no use.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// They are none.
    #[error("the descriptors of this program are broken")]
    Broken(#[from] DescriptorError),
    /// Something is not described.
    #[error("the descriptors of this program have no {0}")]
    Missing(&'static str),
}

impl Language {
    /// The language of this version.
    ///
    /// # Errors
    ///
    /// Where the program was not built as it should be.
    pub fn new() -> Result<Self, LanguageError> {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR_SET)?;
        let policy = pool.get_message_by_name(POLICY).ok_or(LanguageError::Missing(POLICY))?;
        let behavior =
            pool.get_extension_by_name(BEHAVIOR).ok_or(LanguageError::Missing(BEHAVIOR))?;
        let mut language =
            Self { pool, policy, left_out: HashSet::new(), required: HashSet::new() };
        language.left_out.extend(LEFT_OUT.map(str::to_owned));
        for field in messages(&language.policy).iter().flat_map(MessageDescriptor::fields) {
            let behaviors = behaviors(&field, &behavior);
            let is = |name: &str| behaviors.iter().any(|behavior| behavior == name);
            if is("IDENTIFIER") || is("OUTPUT_ONLY") {
                language.left_out.insert(field.full_name().to_owned());
            } else if is("REQUIRED") {
                language.required.insert(field.full_name().to_owned());
            }
        }
        Ok(language)
    }

    /// Every message that is described.
    pub(super) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The message that a file is.
    pub(super) fn policy(&self) -> &MessageDescriptor {
        &self.policy
    }

    /// The fields of a message that are written in files, in the order of the proto file.
    pub(super) fn fields(
        &self,
        message: &MessageDescriptor,
    ) -> impl Iterator<Item = FieldDescriptor> {
        message.fields().filter(|field| !self.leaves_out(field)).collect::<Vec<_>>().into_iter()
    }

    /// Whether the field is never written in a file.
    pub(super) fn leaves_out(&self, field: &FieldDescriptor) -> bool {
        self.left_out.contains(field.full_name())
    }

    /// Whether the field must be there.
    pub(super) fn requires(&self, field: &FieldDescriptor) -> bool {
        self.required.contains(field.full_name())
    }
}

/// The message and all that its fields are made of.
pub(super) fn messages(first: &MessageDescriptor) -> Vec<MessageDescriptor> {
    let mut found = vec![first.clone()];
    let mut seen = HashSet::from([first.full_name().to_owned()]);
    let mut next = 0;
    while let Some(message) = found.get(next).cloned() {
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind()
                && seen.insert(inner.full_name().to_owned())
            {
                found.push(inner);
            }
        }
        next += 1;
    }
    found
}

/// The names of a field's behaviours.
fn behaviors(field: &FieldDescriptor, extension: &ExtensionDescriptor) -> Vec<String> {
    let options = field.options();
    let given = options.get_extension(extension);
    let Kind::Enum(names) = extension.kind() else { return Vec::new() };
    let numbers = given.as_list().unwrap_or_default().iter();
    let numbers = numbers.filter_map(prost_reflect::Value::as_enum_number);
    numbers
        .filter_map(|number| names.get_value(number))
        .map(|value| value.name().to_owned())
        .collect()
}
