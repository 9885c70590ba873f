//! Events.

use std::mem::take;

use super::{moment, page, paging, timestamp};
use crate::{
    admin::{EventFilter, Paged},
    domain::{
        event::{Deed, Event, Kind},
        name::WorkspaceName,
    },
    proto,
};

/// The most kinds that a listing may name.
const KINDS_MAX: usize = 100;

macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        fn to_proto(kind: Kind) -> proto::EventKind {
            match kind {
                $(Kind::$kind => proto::EventKind::$kind,)+
            }
        }

        fn from_proto(kind: proto::EventKind) -> Option<Kind> {
            match kind {
                $(proto::EventKind::$kind => Some(Kind::$kind),)+
                proto::EventKind::Unspecified => None,
            }
        }
    };
}

kinds! {
    PolicyCreated, PolicyUpdated, WorkspaceCreated, WorkspaceUpdated, WorkspaceSuspended, WorkspaceResumed,
    PrincipalCreated, PrincipalUpdated, PrincipalDisabled, PrincipalEnabled, PrincipalDeleted, KeyCreated, KeyUpdated, KeyRotated,
    KeyRevoked,
}

pub(in crate::grpc) fn event(event: Event) -> proto::Event {
    let Event { revision, time, deed, previous, hash } = event;
    let Deed { actor, kind, subject, workspace, before, after, request_id } = deed;
    let workspace = workspace.parse().map(|workspace| WorkspaceName { workspace }.to_string());
    proto::Event {
        revision: revision.0,
        create_time: Some(timestamp(time)),
        actor,
        kind: to_proto(kind).into(),
        subject,
        workspace: workspace.unwrap_or_default(),
        before_json: before,
        after_json: after,
        request_id,
        previous_hash: previous.0.to_vec(),
        hash: hash.0.to_vec(),
    }
}

pub(in crate::grpc) fn list(mut request: proto::ListEventsRequest) -> EventFilter {
    let (size, token) = (take(&mut request.page_size), take(&mut request.page_token));
    let paging = paging("ListEvents", &request, size, token);
    let proto::ListEventsRequest {
        parent,
        page_size: _,
        page_token: _,
        subject,
        actor,
        kinds,
        start_time,
        end_time,
    } = request;
    let mut unread = Vec::new();
    let mut known = Vec::new();
    if kinds.len() > KINDS_MAX {
        let most = format!("has {} entries; at most {KINDS_MAX} are allowed", kinds.len());
        unread.push(("kinds".to_owned(), most));
    }
    for (place, kind) in kinds.into_iter().take(KINDS_MAX).enumerate() {
        match proto::EventKind::try_from(kind) {
            Ok(kind) if kind != proto::EventKind::Unspecified => known.extend(from_proto(kind)),
            _ => unread.push((format!("kinds[{place}]"), "is no kind of event".to_owned())),
        }
    }
    EventFilter {
        parent,
        subject,
        actor,
        kinds: known,
        unread,
        from: start_time.map(moment),
        until: end_time.map(moment),
        paging,
    }
}

pub(in crate::grpc) fn listed(paged: Paged<Event>) -> proto::ListEventsResponse {
    let (events, next_page_token) = page(paged, event);
    proto::ListEventsResponse { events, next_page_token }
}
