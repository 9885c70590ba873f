//! The settings as data: printed, documented and bounded from one list.

mod listed;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use super::{Problem, Ratio, Settings, VARIABLE_PREFIX};
pub use listed::SETTINGS;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Dotted name, `section.name`.
    pub name: &'static str,
    /// What it does, in one sentence, with its unit.
    pub meaning: &'static str,
    read: Read,
}

/// How a setting's value is found, and its bounds where it has some.
#[derive(Debug)]
enum Read {
    Number(RangeInclusive<u64>, fn(&Settings) -> u64),
    Ratio(fn(&Settings) -> Ratio),
    Flag(fn(&Settings) -> bool),
    Word(fn(&Settings) -> String),
    File(fn(&Settings) -> &Path),
}

/// A setting's value as TOML writes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shown {
    Number(u64),
    Ratio(f64),
    Flag(bool),
    Text(String),
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            // With a point, or TOML takes it for an integer.
            Self::Ratio(ratio) => write!(f, "{ratio:?}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            // A string of JSON is one of TOML.
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
        }
    }
}

impl Setting {
    /// The environment variable, `KEYWARD__SECTION__NAME`.
    #[must_use]
    pub fn variable(&self) -> String {
        variable_of(self.name)
    }

    /// The default, as TOML writes it.
    #[must_use]
    pub fn default_value(&self) -> String {
        self.value(&Settings::default()).to_string()
    }

    /// Lowest and highest value allowed, for a number.
    #[must_use]
    pub fn bounds(&self) -> Option<&RangeInclusive<u64>> {
        match &self.read {
            Read::Number(bounds, _) => Some(bounds),
            Read::Ratio(_) => Some(&(0..=1)),
            Read::Flag(_) | Read::Word(_) | Read::File(_) => None,
        }
    }

    pub(super) fn value(&self, settings: &Settings) -> Shown {
        match self.read {
            Read::Number(_, read) => Shown::Number(read(settings)),
            Read::Ratio(read) => Shown::Ratio(read(settings).get()),
            Read::Flag(read) => Shown::Flag(read(settings)),
            Read::Word(read) => Shown::Text(read(settings)),
            Read::File(read) => Shown::Text(read(settings).to_string_lossy().into_owned()),
        }
    }

    pub(super) fn out_of_range(&self, settings: &Settings) -> Option<Problem> {
        let bound = match &self.read {
            Read::Number(bounds, read) if !bounds.contains(&read(settings)) => {
                format!("from {} to {}", bounds.start(), bounds.end())
            }
            Read::File(read) if read(settings).as_os_str().is_empty() => {
                "the path of a file".to_owned()
            }
            Read::Number(..) | Read::Ratio(_) | Read::Flag(_) | Read::Word(_) | Read::File(_) => {
                return None;
            }
        };
        Some(Problem::Refused { name: self.name, value: self.value(settings).to_string(), bound })
    }
}

pub(super) fn variable_of(name: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", name.replace('.', "__").to_uppercase())
}

/// The table of settings as the README shows it, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let header =
        "| Setting | Variable | Default | Bounds | Meaning |\n|---|---|---|---|---|\n".to_owned();
    SETTINGS.iter().fold(header, |table, setting| {
        let bounds = setting
            .bounds()
            .map_or(String::new(), |bounds| format!("{} – {}", bounds.start(), bounds.end()));
        let (name, variable, default, meaning) =
            (setting.name, setting.variable(), setting.default_value(), setting.meaning);
        table + &format!("| `{name}` | `{variable}` | `{default}` | {bounds} | {meaning} |\n")
    })
}

const fn number(
    name: &'static str,
    bounds: RangeInclusive<u64>,
    meaning: &'static str,
    read: fn(&Settings) -> u64,
) -> Setting {
    Setting { name, meaning, read: Read::Number(bounds, read) }
}

const fn ratio(name: &'static str, meaning: &'static str, read: fn(&Settings) -> Ratio) -> Setting {
    Setting { name, meaning, read: Read::Ratio(read) }
}

const fn flag(name: &'static str, meaning: &'static str, read: fn(&Settings) -> bool) -> Setting {
    Setting { name, meaning, read: Read::Flag(read) }
}

const fn word(name: &'static str, meaning: &'static str, read: fn(&Settings) -> String) -> Setting {
    Setting { name, meaning, read: Read::Word(read) }
}

const fn file(name: &'static str, meaning: &'static str, read: fn(&Settings) -> &Path) -> Setting {
    Setting { name, meaning, read: Read::File(read) }
}
