//! What is asked of keys, and what is answered.

use std::mem::take;

use super::{draft, key};
use crate::{
    admin::{
        BatchCreateKeys, BatchRevokeKeys, Changed, CreateKey, IdentifiedKey, Issued, KeyFilter,
        Named, Paged, RotateKey, SecretState, UpdateKey, UpdateResource,
    },
    domain::{
        key::KeyState,
        ports::{KeyOrder, KeyRecord},
        secret::Secret,
        time::Timestamp,
    },
    grpc::convert::{intent, mask, moment, page, paging, span, warning::warnings},
    proto,
};

/// The most states that a listing names; there are three.
const STATES_MAX: usize = 10;

/// The one place where a secret leaves.
fn revealed(secret: Option<Secret>) -> String {
    secret.map(Secret::reveal).unwrap_or_default()
}

pub(in crate::grpc) fn create(request: proto::CreateKeyRequest) -> CreateKey {
    let intent = intent("CreateKey", &request, &request.request_id, request.validate_only);
    let proto::CreateKeyRequest {
        parent,
        key_id,
        key,
        presets,
        minting_key,
        request_id: _,
        validate_only: _,
    } = request;
    let (_, _, draft) = draft(key);
    CreateKey { parent, id: key_id, draft, presets, minting_key, intent }
}

pub(in crate::grpc) fn created(
    issued: Issued<KeyRecord>,
    now: Timestamp,
) -> proto::CreateKeyResponse {
    let Issued { changed: Changed { record, warnings: risks }, secret } = issued;
    proto::CreateKeyResponse {
        key: Some(key(record, now)),
        secret: revealed(secret),
        warnings: warnings(risks),
    }
}

pub(in crate::grpc) fn batch_create(request: proto::BatchCreateKeysRequest) -> BatchCreateKeys {
    let intent = intent("BatchCreateKeys", &request, &request.request_id, request.validate_only);
    let proto::BatchCreateKeysRequest { parent, requests, request_id: _, validate_only: _ } =
        request;
    BatchCreateKeys { parent, requests: requests.into_iter().map(create).collect(), intent }
}

pub(in crate::grpc) fn batch_created(
    issued: Vec<Issued<KeyRecord>>,
    now: Timestamp,
) -> proto::BatchCreateKeysResponse {
    let responses = issued.into_iter().map(|issued| created(issued, now)).collect();
    proto::BatchCreateKeysResponse { responses }
}

pub(in crate::grpc) fn list(mut request: proto::ListKeysRequest) -> KeyFilter {
    let (size, token) = (take(&mut request.page_size), take(&mut request.page_token));
    let paging = paging("ListKeys", &request, size, token);
    let proto::ListKeysRequest {
        parent,
        page_size: _,
        page_token: _,
        states,
        query,
        r#type,
        principal,
        scope,
        expiring_before,
        never_used,
        unused_since,
        rotation_due,
        order_by,
    } = request;
    let mut unread = Vec::new();
    let mut known = Vec::new();
    if states.len() > STATES_MAX {
        let rule = format!("has {} entries; at most {STATES_MAX} are allowed", states.len());
        unread.push(("states".to_owned(), rule));
    }
    for (place, state) in states.into_iter().take(STATES_MAX).enumerate() {
        match proto::KeyState::try_from(state) {
            Ok(proto::KeyState::Active) => known.push(KeyState::Active),
            Ok(proto::KeyState::Expired) => known.push(KeyState::Expired),
            Ok(proto::KeyState::Revoked) => known.push(KeyState::Revoked),
            Ok(proto::KeyState::Unspecified) | Err(_) => {
                unread.push((
                    format!("states[{place}]"),
                    "must be ACTIVE, EXPIRED or REVOKED".to_owned(),
                ));
            }
        }
    }
    let (order, descending) = match order_by.as_str() {
        "" | "create_time" => (KeyOrder::CreateTime, false),
        "create_time desc" => (KeyOrder::CreateTime, true),
        "display_name" => (KeyOrder::Title, false),
        "display_name desc" => (KeyOrder::Title, true),
        _ => {
            let rule = "must be `create_time` or `display_name`, each also with ` desc`";
            unread.push(("order_by".to_owned(), rule.to_owned()));
            (KeyOrder::CreateTime, false)
        }
    };
    KeyFilter {
        parent,
        states: known,
        unread,
        title_part: query,
        key_type: r#type,
        principal,
        scope,
        expiring_before: expiring_before.map(moment),
        never_used,
        unused_since: unused_since.map(moment),
        rotation_due,
        order,
        descending,
        paging,
    }
}

pub(in crate::grpc) fn listed(paged: Paged<KeyRecord>, now: Timestamp) -> proto::ListKeysResponse {
    let (keys, next_page_token) = page(paged, |record| key(record, now));
    proto::ListKeysResponse { keys, next_page_token }
}

pub(in crate::grpc) fn update(request: proto::UpdateKeyRequest) -> UpdateKey {
    let intent = intent("UpdateKey", &request, &request.request_id, request.validate_only);
    let proto::UpdateKeyRequest { key, update_mask, request_id: _, validate_only: _ } = request;
    let (name, etag, draft) = draft(key);
    UpdateResource { name, etag, draft, mask: mask(update_mask), intent }
}

pub(in crate::grpc) fn updated(
    changed: Changed<KeyRecord>,
    now: Timestamp,
) -> proto::UpdateKeyResponse {
    let Changed { record, warnings: risks } = changed;
    proto::UpdateKeyResponse { key: Some(key(record, now)), warnings: warnings(risks) }
}

pub(in crate::grpc) fn rotate(request: proto::RotateKeyRequest) -> RotateKey {
    let intent = intent("RotateKey", &request, &request.request_id, request.validate_only);
    let proto::RotateKeyRequest { name, etag, grace, request_id: _, validate_only: _ } = request;
    let read = grace.map(span);
    let negative = read.is_some_and(|grace| grace.is_none());
    let unread = negative.then(|| ("grace".to_owned(), "must not be negative".to_owned()));
    RotateKey {
        named: Named { name, etag, intent },
        grace: read.flatten(),
        unread: unread.into_iter().collect(),
    }
}

pub(in crate::grpc) fn rotated(
    issued: Issued<KeyRecord>,
    now: Timestamp,
) -> proto::RotateKeyResponse {
    let Issued { changed: Changed { record, warnings: risks }, secret } = issued;
    proto::RotateKeyResponse {
        key: Some(key(record, now)),
        secret: revealed(secret),
        warnings: warnings(risks),
    }
}

pub(in crate::grpc) fn revoke(request: proto::RevokeKeyRequest) -> Named {
    let intent = intent("RevokeKey", &request, &request.request_id, request.validate_only);
    let proto::RevokeKeyRequest { name, etag, request_id: _, validate_only: _ } = request;
    Named { name, etag, intent }
}

pub(in crate::grpc) fn batch_revoke(request: proto::BatchRevokeKeysRequest) -> BatchRevokeKeys {
    let intent = intent("BatchRevokeKeys", &request, &request.request_id, request.validate_only);
    let proto::BatchRevokeKeysRequest { parent, names, request_id: _, validate_only: _ } = request;
    BatchRevokeKeys { parent, names, intent }
}

pub(in crate::grpc) fn batch_revoked(
    records: Vec<KeyRecord>,
    now: Timestamp,
) -> proto::BatchRevokeKeysResponse {
    let keys = records.into_iter().map(|record| key(record, now)).collect();
    proto::BatchRevokeKeysResponse { keys }
}

pub(in crate::grpc) fn identified(
    identified: IdentifiedKey,
    now: Timestamp,
) -> proto::IdentifyKeyResponse {
    let IdentifiedKey { record, state } = identified;
    let secret_state = match state {
        SecretState::Current => proto::SecretState::Current,
        SecretState::Grace => proto::SecretState::Grace,
        SecretState::Replaced => proto::SecretState::Replaced,
    };
    proto::IdentifyKeyResponse { key: Some(key(record, now)), secret_state: secret_state.into() }
}
