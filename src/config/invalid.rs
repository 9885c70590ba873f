//! What can be wrong with settings.

use std::fmt;
use std::path::PathBuf;

use config::ConfigError;

use super::table::variable_of;

/// One thing wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The settings file cannot be read, or is no TOML.
    #[error("settings file {path:?}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system or the TOML reader said.
        cause: String,
    },
    /// There is no such setting.
    #[error("unknown setting {name}")]
    Unknown {
        /// The dotted name from the file, or the whole variable.
        name: String,
    },
    /// The file that a setting names, and that holds a value, cannot be used.
    #[error("{name}: {cause} (variable {})", variable_of(name))]
    UnreadableValue {
        /// The setting's dotted name.
        name: &'static str,
        /// Why not; the file is in it.
        cause: String,
    },
    /// A variable of ours whose name or value is not UTF-8.
    #[error("variable {variable} is not UTF-8")]
    NotUtf8 {
        /// The variable.
        variable: String,
    },
    /// A value of the wrong type.
    #[error("{cause}")]
    Mistyped {
        /// Names the setting, the value and the type that was expected.
        cause: String,
    },
    /// A value outside its bounds, or at odds with another.
    #[error("{name} = {value}: must be {bound} (variable {})", variable_of(name))]
    Refused {
        /// The setting's dotted name.
        name: &'static str,
        /// The value as given.
        value: String,
        /// What it must be.
        bound: String,
    },
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        let variable = match &error {
            ConfigError::Type { key: Some(key), .. } | ConfigError::At { key: Some(key), .. } => {
                format!(" (variable {})", variable_of(key))
            }
            _ => String::new(),
        };
        Self::Mistyped { cause: format!("{error}{variable}") }
    }
}

/// Settings the process cannot run with. Displays as one line per problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSettings(Vec<Problem>);

impl InvalidSettings {
    /// Everything found wrong; at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }

    pub(super) fn if_any(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }
}

impl From<Problem> for InvalidSettings {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for InvalidSettings {}
