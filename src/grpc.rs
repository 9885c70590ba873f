//! The services: thin, between the protobuf messages and the use cases.

pub mod authenticate;
mod convert;
pub mod introspect;
pub mod key_admin;
pub mod layers;
mod needed;
pub mod quick;
pub mod sparing;
mod status;
mod turns;
pub mod waiting;

pub use status::ERROR_DOMAIN;

use crate::{admin::PolicyDraft, proto};

/// What a policy that was written down elsewhere means: the same as one that is sent.
pub(crate) fn policy_draft(policy: proto::Policy) -> PolicyDraft {
    convert::policy::draft(policy)
}
