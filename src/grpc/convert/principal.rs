//! Principals.

use super::timestamp;
use crate::{
    admin::{PrincipalDraft, etag},
    domain::{
        live::Stored,
        principal::{Principal, PrincipalKind},
    },
    proto,
};

/// The draft, with the name and the etag that the message carries.
pub(in crate::grpc) fn draft(
    principal: Option<proto::Principal>,
) -> (String, String, PrincipalDraft) {
    let proto::Principal {
        name,
        display_name,
        kind,
        role,
        confined_to,
        state: _,
        etag,
        revision: _,
        create_time: _,
        update_time: _,
    } = principal.unwrap_or_default();
    let kind = match proto::PrincipalKind::try_from(kind) {
        Ok(proto::PrincipalKind::User) => Some(PrincipalKind::User),
        Ok(proto::PrincipalKind::Team) => Some(PrincipalKind::Team),
        Ok(proto::PrincipalKind::Service) => Some(PrincipalKind::Service),
        Ok(proto::PrincipalKind::Unspecified) | Err(_) => None,
    };
    (name, etag, PrincipalDraft { title: display_name, kind, role, confined_to })
}

pub(in crate::grpc) fn principal(stored: Stored<Principal>) -> proto::Principal {
    let Stored { value, revision, create_time, update_time } = stored;
    let Principal { name, title, kind, role, confined_to, disabled } = value;
    let kind = match kind {
        PrincipalKind::User => proto::PrincipalKind::User,
        PrincipalKind::Team => proto::PrincipalKind::Team,
        PrincipalKind::Service => proto::PrincipalKind::Service,
    };
    let state =
        if disabled { proto::PrincipalState::Disabled } else { proto::PrincipalState::Active };
    proto::Principal {
        name: name.to_string(),
        display_name: title.as_str().to_owned(),
        kind: kind.into(),
        role,
        confined_to,
        state: state.into(),
        etag: etag(revision),
        revision: revision.0,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
    }
}
