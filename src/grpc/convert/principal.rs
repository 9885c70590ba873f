//! Principals.

use std::mem::take;

use super::{intent, mask, page, paging, timestamp, warning::warnings};
use crate::{
    admin::{Changed, CreatePrincipal, Named, Paged, Paging, PrincipalDraft, UpdateResource, etag},
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
    let kind = principal_kind(kind);
    (name, etag, PrincipalDraft { title: display_name, kind, role, confined_to })
}

/// The kind of this number, if it is one.
pub(super) fn principal_kind(number: i32) -> Option<PrincipalKind> {
    match proto::PrincipalKind::try_from(number) {
        Ok(proto::PrincipalKind::User) => Some(PrincipalKind::User),
        Ok(proto::PrincipalKind::Team) => Some(PrincipalKind::Team),
        Ok(proto::PrincipalKind::Service) => Some(PrincipalKind::Service),
        Ok(proto::PrincipalKind::Unspecified) | Err(_) => None,
    }
}

pub(super) fn kind(kind: PrincipalKind) -> proto::PrincipalKind {
    match kind {
        PrincipalKind::User => proto::PrincipalKind::User,
        PrincipalKind::Team => proto::PrincipalKind::Team,
        PrincipalKind::Service => proto::PrincipalKind::Service,
    }
}

pub(in crate::grpc) fn principal(stored: Stored<Principal>) -> proto::Principal {
    let Stored { value, revision, create_time, update_time } = stored;
    let Principal { name, title, kind, role, confined_to, disabled, deleted: _ } = value;
    let state =
        if disabled { proto::PrincipalState::Disabled } else { proto::PrincipalState::Active };
    proto::Principal {
        name: name.to_string(),
        display_name: title.as_str().to_owned(),
        kind: self::kind(kind).into(),
        role,
        confined_to,
        state: state.into(),
        etag: etag(revision),
        revision: revision.0,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
    }
}

pub(in crate::grpc) fn create(request: proto::CreatePrincipalRequest) -> CreatePrincipal {
    let intent = intent("CreatePrincipal", &request, &request.request_id, request.validate_only);
    let proto::CreatePrincipalRequest {
        parent,
        principal_id,
        principal,
        request_id: _,
        validate_only: _,
    } = request;
    let (_, _, draft) = draft(principal);
    CreatePrincipal { parent, id: principal_id, draft, intent }
}

pub(in crate::grpc) fn created(
    changed: Changed<Stored<Principal>>,
) -> proto::CreatePrincipalResponse {
    let Changed { record, warnings: risks } = changed;
    proto::CreatePrincipalResponse { principal: Some(principal(record)), warnings: warnings(risks) }
}

pub(in crate::grpc) fn list(mut request: proto::ListPrincipalsRequest) -> (String, Paging) {
    let (size, token) = (take(&mut request.page_size), take(&mut request.page_token));
    let paging = paging("ListPrincipals", &request, size, token);
    (request.parent, paging)
}

pub(in crate::grpc) fn listed(paged: Paged<Stored<Principal>>) -> proto::ListPrincipalsResponse {
    let (principals, next_page_token) = page(paged, principal);
    proto::ListPrincipalsResponse { principals, next_page_token }
}

pub(in crate::grpc) fn update(
    request: proto::UpdatePrincipalRequest,
) -> UpdateResource<PrincipalDraft> {
    let intent = intent("UpdatePrincipal", &request, &request.request_id, request.validate_only);
    let proto::UpdatePrincipalRequest { principal, update_mask, request_id: _, validate_only: _ } =
        request;
    let (name, etag, draft) = draft(principal);
    UpdateResource { name, etag, draft, mask: mask(update_mask), intent }
}

pub(in crate::grpc) fn updated(
    changed: Changed<Stored<Principal>>,
) -> proto::UpdatePrincipalResponse {
    let Changed { record, warnings: risks } = changed;
    proto::UpdatePrincipalResponse { principal: Some(principal(record)), warnings: warnings(risks) }
}

pub(in crate::grpc) fn disable(request: proto::DisablePrincipalRequest) -> Named {
    let intent = intent("DisablePrincipal", &request, &request.request_id, request.validate_only);
    let proto::DisablePrincipalRequest { name, etag, request_id: _, validate_only: _ } = request;
    Named { name, etag, intent }
}

pub(in crate::grpc) fn enable(request: proto::EnablePrincipalRequest) -> Named {
    let intent = intent("EnablePrincipal", &request, &request.request_id, request.validate_only);
    let proto::EnablePrincipalRequest { name, etag, request_id: _, validate_only: _ } = request;
    Named { name, etag, intent }
}

pub(in crate::grpc) fn delete(request: proto::DeletePrincipalRequest) -> Named {
    let intent = intent("DeletePrincipal", &request, &request.request_id, request.validate_only);
    let proto::DeletePrincipalRequest { name, etag, request_id: _, validate_only: _ } = request;
    Named { name, etag, intent }
}
