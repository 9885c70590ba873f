//! Policy files: the message `keyward.v1.Policy` as YAML. A file is read along the
//! descriptor of the message, so that a new field is read without new code, and what it
//! means is decided where it is decided for policies that are sent.

mod duration;
mod faults;
mod json;
mod language;
mod places;
mod reader;
mod scalar;
mod schema;
mod text;
mod tree;

use prost_reflect::DynamicMessage;

use crate::{
    domain::{fault::Faults, policy::CompiledPolicy},
    grpc, proto,
};

use self::{faults::Noted, places::Places};

pub use self::{
    faults::{FileFault, FileFaults},
    json::JsonError,
    language::{Language, LanguageError},
};

/// The largest file, in bytes.
pub const SIZE_MAX: usize = 1024 * 1024;

/// Where something stands in a file, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A policy that was read from a file and has no faults.
#[derive(Debug)]
pub struct PolicyFile {
    /// As it is sent.
    pub message: proto::Policy,
    /// What it means.
    pub policy: CompiledPolicy,
}

impl Language {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, by its places.
    pub fn read(&self, file: &[u8]) -> Result<PolicyFile, FileFaults> {
        let mut noted = Noted::default();
        let read = source(file, &mut noted).and_then(|source| {
            let (message, places) = self.message(source, &mut noted)?;
            let message = message.transcode_to::<proto::Policy>();
            let message = noted.take(FIRST, message)?;
            let mut faults = Faults::new();
            let policy = grpc::policy_draft(message.clone()).compile(&mut faults);
            places.bring(faults, &mut noted);
            let policy = policy.filter(|policy| fits(policy, &mut noted))?;
            Some(PolicyFile { message, policy })
        });
        match (noted.finish(), read) {
            (None, Some(read)) => Ok(read),
            (Some(faults), _) => Err(faults),
            (None, None) => Err(FileFaults::one(FIRST, "is no policy")),
        }
    }

    /// The message that is written in a file, with the places of its fields.
    fn message(&self, source: &str, noted: &mut Noted) -> Option<(DynamicMessage, Places)> {
        let tree::Document { root, stopped } = tree::read(source);
        if let Some((place, why)) = stopped {
            noted.note(place, "", why);
            root.iter().for_each(|root| reader::skip(root, "", noted));
            return None;
        }
        match root {
            Some(root) if !root.is_nothing() => {
                reader::read(self, &root, source.trim_start().starts_with('{'), noted)
            }
            Some(_) | None => {
                noted.note(FIRST, "", "is empty; a policy has at least scopes and key_types");
                None
            }
        }
    }
}

/// Whether a policy is small enough to be kept, which is as JSON.
fn fits(policy: &CompiledPolicy, noted: &mut Noted) -> bool {
    let size = noted.take(FIRST, serde_json::to_string(policy.document())).map(|json| json.len());
    let most = crate::domain::policy::SIZE_MAX;
    if let Some(size) = size.filter(|size| *size > most) {
        noted.note(FIRST, "", format!("is {size} bytes as JSON; at most {most} are allowed"));
    }
    size.is_some_and(|size| size <= most)
}

/// Where a file begins.
const FIRST: Place = Place { line: 1, column: 1 };

/// The text of a file, where it may be one.
fn source<'a>(file: &'a [u8], noted: &mut Noted) -> Option<&'a str> {
    if file.len() > SIZE_MAX {
        noted.note(FIRST, "", format!("is larger than {SIZE_MAX} bytes"));
        return None;
    }
    match str::from_utf8(file) {
        Ok(source) => Some(source),
        Err(error) => {
            let before = file.get(..error.valid_up_to()).unwrap_or_default();
            let before = str::from_utf8(before).unwrap_or_default();
            let last = before.rsplit('\n').next().unwrap_or_default();
            let place =
                Place { line: before.matches('\n').count() + 1, column: last.chars().count() + 1 };
            noted.note(place, "", "is not UTF-8");
            None
        }
    }
}
