//! Keys.

pub(in crate::grpc) mod request;

use std::time::Duration;

use super::{duration, moment, span, timestamp};
use crate::{
    admin::{GrantDraft, KeyDraft, etag},
    domain::{
        key::{Expiration, Grant, Key, KeyState},
        live::Stored,
        ports::{KeyRecord, SecretRecord},
        time::Timestamp,
        usage::LastUse,
    },
    proto,
};

/// The draft, with the name and the etag that the message carries.
pub(in crate::grpc) fn draft(key: Option<proto::Key>) -> (String, String, KeyDraft) {
    let proto::Key {
        name,
        display_name,
        r#type,
        principal,
        grants,
        constraint,
        allowed_cidrs,
        plan,
        labels,
        state: _,
        etag,
        revision: _,
        create_time: _,
        update_time: _,
        revoke_time: _,
        last_used_time: _,
        last_used_address: _,
        rotation_due_time: _,
        secrets: _,
        minting_key: _,
        expiration,
    } = key.unwrap_or_default();
    let grants =
        grants.into_iter().map(|proto::Grant { scope, resource }| GrantDraft { scope, resource });
    let draft = KeyDraft {
        title: display_name,
        key_type: r#type,
        principal,
        grants: grants.collect(),
        constraint,
        allowed_cidrs,
        expiration: self::expiration(expiration),
        plan,
        labels,
    };
    (name, etag, draft)
}

/// A negative time to live is none at all, which no key may have.
fn expiration(expiration: Option<proto::key::Expiration>) -> Expiration {
    match expiration {
        None | Some(proto::key::Expiration::NeverExpires(false)) => Expiration::Default,
        Some(proto::key::Expiration::NeverExpires(true)) => Expiration::Never,
        Some(proto::key::Expiration::ExpireTime(end)) => Expiration::At(moment(end)),
        Some(proto::key::Expiration::Ttl(ttl)) => {
            Expiration::After(span(ttl).unwrap_or(Duration::ZERO))
        }
    }
}

/// The key as it is at `now`.
pub(in crate::grpc) fn key(record: KeyRecord, now: Timestamp) -> proto::Key {
    let last_use = record.last_use();
    let KeyRecord { key, secrets, rotation_due } = record;
    let Stored { value, revision, create_time, update_time } = key;
    let owner = value.owner().map(|owner| owner.to_string());
    let minter = value.minter().map(|minter| minter.to_string());
    let state = match value.state(now) {
        KeyState::Active => proto::KeyState::Active,
        KeyState::Expired => proto::KeyState::Expired,
        KeyState::Revoked => proto::KeyState::Revoked,
    };
    let Key {
        name,
        title,
        key_type,
        principal: _,
        grants,
        constraint,
        allowed_cidrs,
        expire_time,
        plan,
        labels,
        minting_key: _,
        revoke_time,
    } = value;
    let expiration = match expire_time {
        Some(end) => proto::key::Expiration::ExpireTime(timestamp(end)),
        None => proto::key::Expiration::NeverExpires(true),
    };
    let works = |secret: &SecretRecord| secret.replaced.is_none_or(|end| now < end);
    let secrets = secrets.into_iter().filter(|secret| revoke_time.is_none() && works(secret));
    proto::Key {
        name: name.to_string(),
        display_name: title.as_str().to_owned(),
        r#type: key_type,
        principal: owner.unwrap_or_default(),
        grants: self::grants(&grants),
        constraint,
        allowed_cidrs: allowed_cidrs.iter().map(|network| network.to_string()).collect(),
        plan,
        labels,
        state: state.into(),
        etag: etag(revision),
        revision: revision.0,
        create_time: Some(timestamp(create_time)),
        update_time: Some(timestamp(update_time)),
        revoke_time: revoke_time.map(timestamp),
        last_used_time: last_use.map(|last| timestamp(last.time)),
        last_used_address: address(last_use),
        rotation_due_time: rotation_due.map(timestamp),
        secrets: secrets.map(secret).collect(),
        minting_key: minter.unwrap_or_default(),
        expiration: Some(expiration),
    }
}

pub(in crate::grpc) fn grants(grants: &[Grant]) -> Vec<proto::Grant> {
    let convert = |Grant { scope, resource }: &Grant| proto::Grant {
        scope: scope.clone(),
        resource: resource.clone().unwrap_or_default(),
    };
    grants.iter().map(convert).collect()
}

fn secret(secret: SecretRecord) -> proto::KeySecret {
    let SecretRecord { create_time, replaced, last_use } = secret;
    proto::KeySecret {
        create_time: Some(timestamp(create_time)),
        not_after_time: replaced.map(timestamp),
        last_used_time: last_use.map(|last| timestamp(last.time)),
    }
}

fn address(last: Option<LastUse>) -> String {
    last.and_then(|last| last.address).map(|address| address.to_string()).unwrap_or_default()
}

/// How long an answer may be used again: not at all.
pub(in crate::grpc) fn max_age() -> prost_types::Duration {
    duration(Duration::ZERO)
}
