//! What is legal but risky.

/// Something that whoever asked for a change should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind.
    pub code: WarningCode,
    /// The field that it is about.
    pub field: String,
    /// The same in words.
    pub description: String,
}

/// Kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningCode {
    /// A network admits every address of its family.
    WildcardCidr,
    /// The key never expires.
    NoExpiry,
    /// A scope that the policy isolates.
    IsolatedScope,
    /// A scope that implies every one that is not isolated.
    AdminLikeScope,
    /// A change takes something away that clients may be using.
    Narrowed,
    /// A change lifts a bound altogether.
    BoundLifted,
}
