//! The checker finds what it is there for.

use std::{
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use keyward::proto::DenyReason;

use super::{Clocks, Observation, Said, fault};
use crate::world::{Key, Own, Principal, Replaced, Secret, Subject, Tenant};

const ALLOW: DenyReason = DenyReason::Unspecified;
const WRITES: Own = Own { may_write: true, ..BARE };
const BARE: Own = Own {
    is_revoked: false,
    may_write: false,
    networks: crate::world::Bound::Anywhere,
    constraint: crate::world::Bound::Anywhere,
    expire: None,
};

/// A key of revision 4, whose principal is disabled by 6 and which is revoked by 9.
fn key() -> Arc<Key> {
    let tenant = Tenant::new("t");
    tenant.policy.changed(1, Default::default());
    tenant.workspace.changed(2, Default::default());
    tenant.principal.changed(3, Principal::default());
    let own = Subject::new();
    own.changed(4, WRITES);
    tenant.principal.changed(6, Principal { is_disabled: true, ..Principal::default() });
    own.changed(9, Own { is_revoked: true, ..WRITES });
    let secrets = RwLock::new(vec![Secret::new(String::new())]);
    Arc::new(Key { id: "k".to_owned(), own, tenant, secrets })
}

fn seen(key: &Arc<Key>, returned: i64, revision: i64, reason: DenyReason) -> Observation {
    let asked = Instant::now();
    Observation {
        replica: 0,
        key: Arc::clone(key),
        secret: key.newest_secret(),
        asked,
        answered: asked,
        returned,
        revision,
        reason,
        said: Some(Said::from(WRITES)),
    }
}

fn is_fault(seen: &Observation) -> bool {
    fault(seen, Clocks::now()).is_some()
}

#[test]
fn an_answer_from_an_older_state_is_found() {
    let key = key();
    for (returned, revision, reason, expected) in [
        (4, 4, ALLOW, false),
        // A change in flight may show already, and need not.
        (4, 6, DenyReason::Disabled, false),
        (6, 6, DenyReason::Disabled, false),
        (6, 9, DenyReason::Revoked, false),
        // A change that has returned must show.
        (6, 4, ALLOW, true),
        (9, 6, DenyReason::Disabled, true),
        // The revision alone is not enough, nor is one that never was.
        (6, 6, ALLOW, true),
        (9, 9, DenyReason::Disabled, true),
        (4, 5, ALLOW, true),
        (4, 3, ALLOW, true),
        (4, 0, DenyReason::InvalidKey, true),
    ] {
        let seen = seen(&key, returned, revision, reason);
        assert_eq!(is_fault(&seen), expected, "{seen:?}");
    }
    let said = Some(Said { is_bound: true, ..Said::from(WRITES) });
    assert!(is_fault(&Observation { said, ..seen(&key, 4, 4, ALLOW) }));
    assert!(!is_fault(&Observation { said: None, ..seen(&key, 4, 4, ALLOW) }));
}

#[test]
fn a_secret_that_was_replaced_is_none_from_then_on() {
    let key = key();
    let answer = seen(&key, 4, 4, ALLOW);
    let invalid = Observation { reason: DenyReason::InvalidKey, revision: 0, ..answer.clone() };
    let replace = |begun, returned| {
        *key.newest_secret().replaced.lock().unwrap() = Some(Replaced { begun, returned });
    };
    let (before, after) =
        (answer.asked - Duration::from_secs(1), answer.asked + Duration::from_secs(1));
    replace(after, None);
    assert!(is_fault(&invalid), "the rotation has not begun");
    replace(before, None);
    assert!(!is_fault(&invalid) && !is_fault(&answer), "the rotation is in flight");
    replace(before, Some((after, 5)));
    assert!(!is_fault(&invalid) && !is_fault(&answer), "the rotation was in flight");
    replace(before, Some((before, 5)));
    assert!(!is_fault(&invalid) && is_fault(&answer), "the rotation had returned");
    replace(before, Some((after, 4)));
    assert!(is_fault(&answer), "the answer is as of the rotation");
}

#[test]
fn a_key_works_until_its_end_and_not_after_it() {
    let key = key();
    let clocks = Clocks::now();
    for (end, reason, expected) in [
        (Duration::from_secs(20), ALLOW, false),
        (Duration::from_secs(20), DenyReason::Expired, true),
        (Duration::from_secs(40), DenyReason::Expired, true),
        (Duration::from_secs(9), DenyReason::Expired, false),
        (Duration::from_secs(9), ALLOW, true),
    ] {
        let expire = Some(clocks.of(clocks.instant + end));
        let own = Own { expire, ..WRITES };
        let subject = Subject::new();
        subject.changed(4, own);
        let tenant = Tenant::new("t");
        tenant.policy.changed(1, Default::default());
        tenant.workspace.changed(2, Default::default());
        tenant.principal.changed(3, Principal::default());
        let secrets = RwLock::new(key.secrets.read().unwrap().clone());
        let key = Arc::new(Key { id: "k".to_owned(), own: subject, tenant, secrets });
        let asked = clocks.instant + Duration::from_secs(10);
        let said = Some(Said::from(own));
        let seen = Observation { asked, answered: asked, said, ..seen(&key, 4, 4, reason) };
        assert_eq!(fault(&seen, clocks).is_some(), expected, "{end:?} {seen:?}");
    }
}
