//! Equal parts of many keys, kept once: their workspace, their owner.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::domain::{
    live::{Facts, Stored},
    name::{PrincipalName, WorkspaceName},
    principal::Principal,
    workspace::Workspace,
};

/// Before fewer than so many are known, nobody looks for those that are gone.
const SWEPT_MIN: usize = 1_024;

/// Those that some key has by now.
#[derive(Default)]
pub(super) struct Shared {
    workspaces: Known<WorkspaceName, Stored<Workspace>>,
    principals: Known<PrincipalName, Stored<Principal>>,
}

/// By name, the last that was seen, as long as somebody has it. Twice as many as there are, at the
/// most, and a few: those that are gone are swept out when the table has doubled.
struct Known<K, T>(Mutex<Table<K, T>>);

struct Table<K, T> {
    by_name: HashMap<K, Weak<T>>,
    sweep_at: usize,
}

impl Shared {
    /// The same facts; what equals what another key has is that.
    pub(super) fn of(&self, facts: Facts) -> Facts {
        let Facts { key, replaced, workspace, principal, policy } = facts;
        let workspace = self.workspaces.same(workspace, |shared| &shared.value.name);
        let principal =
            principal.map(|owner| self.principals.same(owner, |shared| &shared.value.name));
        Facts { key, replaced, workspace, principal, policy }
    }
}

impl<K, T> Default for Known<K, T> {
    fn default() -> Self {
        Self(Mutex::new(Table { by_name: HashMap::new(), sweep_at: SWEPT_MIN }))
    }
}

impl<K: Clone + Eq + Hash, T: PartialEq> Known<K, T> {
    /// What equals `new` in every field, if it is known; else `new`, known from now on.
    fn same(&self, new: Arc<T>, name: impl Fn(&T) -> &K) -> Arc<T> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = table.by_name.get(name(&new)).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| *known == new) {
            return known;
        }
        if table.by_name.len() >= table.sweep_at {
            table.by_name.retain(|_, known| known.strong_count() > 0);
            table.sweep_at = SWEPT_MIN.max(2 * table.by_name.len());
        }
        table.by_name.insert(name(&new).clone(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::domain::{event::Revision, time::Timestamp};

    fn workspace(name: &str, revision: i64) -> Arc<Stored<Workspace>> {
        let value = Workspace {
            name: format!("workspaces/{name}").parse().unwrap(),
            title: "w".parse().unwrap(),
            policy: "policies/p".parse().unwrap(),
            plan: String::new(),
            suspended: false,
        };
        let time = Timestamp::from_micros(1);
        let revision = Revision(revision);
        Arc::new(Stored { value, revision, create_time: time, update_time: time })
    }

    #[test]
    fn what_is_equal_is_kept_once_and_what_is_not_is_not() {
        let known = Known::default();
        let same = |new| known.same(new, |shared: &Stored<Workspace>| &shared.value.name);
        let first = same(workspace("a", 1));
        assert!(Arc::ptr_eq(&first, &same(workspace("a", 1))));
        let changed = same(workspace("a", 2));
        assert_eq!((first.revision, changed.revision), (Revision(1), Revision(2)));
        assert!(Arc::ptr_eq(&changed, &same(workspace("a", 2))));
        let suspended = Workspace { suspended: true, ..changed.value.clone() };
        assert!(same(changed.with(suspended).into()).value.suspended, "of the same revision");
    }

    #[test]
    fn what_nobody_has_any_more_is_forgotten() {
        let known = Known::default();
        let same = |new| known.same(new, |shared: &Stored<Workspace>| &shared.value.name);
        let kept: Vec<_> =
            (0..1_500).map(|number| same(workspace(&format!("kept-{number}"), 1))).collect();
        for number in 0..20_000 {
            same(workspace(&format!("gone-{number}"), 1));
            let names = known.0.lock().unwrap().by_name.len();
            assert!(names <= 2 * (kept.len() + 1) + 1, "{names}");
        }
        for workspace in &kept {
            assert!(Arc::ptr_eq(workspace, &same(Arc::new(Stored::clone(workspace)))));
        }
    }
}
