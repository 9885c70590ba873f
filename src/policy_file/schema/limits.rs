//! What the fields of a policy may hold, where the kind of a field does not say it.

use super::{Json, map, text};
use crate::domain::{
    policy::{DESCRIPTION_LENGTH_MAX, QUOTA_MAX},
    scope::{NAME_LENGTH_MAX, NAME_PATTERN},
    secret::{PREFIX_LENGTH_MAX, PREFIX_LENGTH_MIN, PREFIX_PATTERN},
};

/// What a field may hold.
pub(super) enum Limit {
    /// A text of this form, of so many characters at the least and at the most.
    Form(&'static str, usize, usize),
    /// A text of so many characters at the most.
    Length(usize),
    /// A whole number from the one to the other.
    Range(u64, u64),
}

/// The limit of a field, by its full name.
pub(super) fn limit(field: &str) -> Option<Limit> {
    match field.strip_prefix("keyward.v1.")? {
        "Scope.name"
        | "Preset.name"
        | "Role.name"
        | "ResourceSegment.name"
        | "KeyType.name"
        | "Plan.name"
        | "RateLimit.name" => Some(Limit::Form(NAME_PATTERN, 1, NAME_LENGTH_MAX)),
        "KeyType.prefix" => Some(Limit::Form(PREFIX_PATTERN, PREFIX_LENGTH_MIN, PREFIX_LENGTH_MAX)),
        "Scope.description"
        | "Preset.description"
        | "Role.description"
        | "KeyType.description"
        | "Plan.description" => Some(Limit::Length(DESCRIPTION_LENGTH_MAX)),
        "RateLimit.quota" => Some(Limit::Range(1, QUOTA_MAX)),
        "RateLimit.burst" => Some(Limit::Range(0, QUOTA_MAX)),
        _ => None,
    }
}

impl Limit {
    /// The schema of a value within it.
    pub(super) fn schema(self) -> Json {
        let length = |length: usize| Json::Number(i128::try_from(length).unwrap_or(i128::MAX));
        let kind = ("type", text("string"));
        match self {
            Self::Form(pattern, least, most) => map([
                kind,
                ("pattern", text(pattern)),
                ("minLength", length(least)),
                ("maxLength", length(most)),
            ]),
            Self::Length(most) => map([kind, ("maxLength", length(most))]),
            Self::Range(least, most) => super::whole(least.into(), most.into()),
        }
    }
}
