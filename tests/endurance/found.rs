//! Whether what was acknowledged is there: in the log, in the database, and as each replica reads
//! it.

use std::collections::BTreeMap;

use crate::{
    caller::Caller,
    calls::{SCOPE, micros},
    cluster::REPLICAS,
    load::World,
    readings::STATES,
    world::{Bound, Key, Own, Principal, Tenant},
};
use keyward::proto::{self, KeyState, key::Expiration};

const PAGE: i32 = 1_000;
/// How many are told of; all are counted.
const TOLD_MAX: usize = 20;

/// Something that was acknowledged, as of its last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) revision: i64,
    /// What it is like; of a key that alone which is its own.
    pub(crate) state: String,
}

/// By name.
pub(crate) type Records = BTreeMap<String, Record>;

/// What was looked for and not found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    /// Changes that were acknowledged.
    pub(crate) changes: u64,
    /// Records that were compared, at each place.
    pub(crate) compared: u64,
    pub(crate) lost: u64,
    pub(crate) told: Vec<String>,
}

impl Lost {
    fn note(&mut self, what: String) {
        self.lost += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(what);
        }
    }

    /// Each change that was acknowledged is in the log, as what it was.
    fn look_in_log(&mut self, acknowledged: &BTreeMap<i64, String>, log: &[(i64, String)]) {
        let log: BTreeMap<_, _> = log.iter().map(|(revision, name)| (*revision, name)).collect();
        for (revision, name) in acknowledged {
            self.changes += 1;
            if log.get(revision) != Some(&name) {
                let found = log.get(revision);
                self.note(format!(
                    "{name} was changed by {revision}, which is {found:?} in the log"
                ));
            }
        }
    }

    /// Each record is as it was acknowledged last.
    fn compare(&mut self, place: &str, expected: &Records, found: &Records) {
        for (name, record) in expected {
            self.compared += 1;
            if found.get(name) != Some(record) {
                let found = found.get(name);
                self.note(format!(
                    "{place}: {name} was acknowledged as {record:?}, and is {found:?}"
                ));
            }
        }
    }
}

fn state_of(own: Own) -> String {
    let Own { is_revoked, may_write, networks, constraint, expire } = own;
    format!("revoked {is_revoked}, writes {may_write}, {networks:?}, {constraint:?}, {expire:?}")
}

fn of_key(key: &Key) -> (String, Record) {
    let record = Record { revision: key.own.returned(), state: state_of(key.own.now()) };
    (key.name(), record)
}

fn read_key(key: proto::Key) -> (String, Record) {
    let bound = |patterns: &[String], here: &str| match patterns {
        [] => Bound::Anywhere,
        [first, ..] if first.starts_with(here) => Bound::Here,
        _ => Bound::Elsewhere,
    };
    let own = Own {
        is_revoked: key.state() == KeyState::Revoked,
        may_write: key.grants.iter().any(|grant| grant.scope == SCOPE),
        networks: bound(&key.allowed_cidrs, "192.0.2."),
        constraint: bound(&key.constraint, "here"),
        expire: match key.expiration {
            Some(Expiration::ExpireTime(end)) => Some(micros(end)),
            _ => None,
        },
    };
    (key.name, Record { revision: key.revision, state: state_of(own) })
}

fn principal_state(principal: Principal) -> String {
    format!("off {}, reads alone {}", principal.is_disabled, principal.is_reader)
}

/// What keys share, by name.
fn shared(tenants: &[&Tenant]) -> Records {
    let each = tenants.iter().flat_map(|tenant| {
        let (workspace, principal) = (tenant.workspace.now(), tenant.principal.now());
        let of = |revision, state: String| Record { revision, state };
        [
            (tenant.policy_name(), of(tenant.policy.returned(), String::new())),
            (
                tenant.name(),
                of(tenant.workspace.returned(), format!("off {}", workspace.is_suspended)),
            ),
            (tenant.principal_name(), of(tenant.principal.returned(), principal_state(principal))),
        ]
    });
    each.collect()
}

/// The same, as a replica reads it.
async fn read_shared(caller: &mut Caller, tenants: &[&Tenant]) -> Records {
    let mut found = Records::new();
    for tenant in tenants {
        let name = tenant.policy_name();
        let policy = caller.admin.get_policy(proto::GetPolicyRequest { name }).await.unwrap();
        let policy = policy.into_inner();
        found.insert(policy.name, Record { revision: policy.revision, state: String::new() });
        let name = tenant.name();
        let request = proto::GetWorkspaceRequest { name };
        let workspace = caller.admin.get_workspace(request).await.unwrap().into_inner();
        let is_off = workspace.state() == proto::WorkspaceState::Suspended;
        let record = Record { revision: workspace.revision, state: format!("off {is_off}") };
        found.insert(workspace.name, record);
        let name = tenant.principal_name();
        let request = proto::GetPrincipalRequest { name };
        let principal = caller.admin.get_principal(request).await.unwrap().into_inner();
        let state = principal_state(Principal {
            is_disabled: principal.state() == proto::PrincipalState::Disabled,
            is_reader: principal.role == "reader",
        });
        let record = Record { revision: principal.revision, state };
        found.insert(principal.name, record);
    }
    found
}

/// All keys of these workspaces, as a replica reads them.
async fn read_keys(caller: &mut Caller, tenants: &[&Tenant]) -> Records {
    let mut found = Records::new();
    for tenant in tenants {
        let mut page_token = String::new();
        loop {
            let request = proto::ListKeysRequest {
                parent: tenant.name(),
                page_size: PAGE,
                page_token,
                states: STATES.map(i32::from).to_vec(),
                ..Default::default()
            };
            let page = caller.admin.list_keys(request).await.unwrap().into_inner();
            found.extend(page.keys.into_iter().map(read_key));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
    }
    found
}

/// Looks for everything that was acknowledged. Nothing may be changed meanwhile.
pub(crate) async fn look(world: &World, more: &[&Tenant]) -> Lost {
    let tenants: Vec<&Tenant> =
        world.tenants.iter().map(|tenant| &**tenant).chain(more.iter().copied()).collect();
    let keys = world.tally.made.lock().unwrap().clone();
    let mut lost = Lost::default();

    let mut acknowledged = BTreeMap::new();
    for tenant in &tenants {
        let Tenant { policy, workspace, principal, .. } = tenant;
        acknowledged.extend(policy.revisions().map(|it| (it, tenant.policy_name())));
        acknowledged.extend(workspace.revisions().map(|it| (it, tenant.name())));
        acknowledged.extend(principal.revisions().map(|it| (it, tenant.principal_name())));
    }
    for key in &keys {
        acknowledged.extend(key.own.revisions().map(|revision| (revision, key.name())));
    }
    let database = world.cluster.database().await;
    let log = database.pairs("SELECT revision, subject FROM events").await;
    lost.look_in_log(&acknowledged, &log);

    let expected: Records = keys.iter().map(|key| of_key(key)).collect();
    let sql = "SELECT revision, 'workspaces/' || workspace || '/keys/' || id FROM keys";
    let rows = database.pairs(sql).await;
    let bare = |(name, record): (&String, &Record)| {
        (name.clone(), Record { state: String::new(), ..record.clone() })
    };
    let found = rows.into_iter();
    let found = found.map(|(revision, name)| (name, Record { revision, state: String::new() }));
    lost.compare("database", &expected.iter().map(bare).collect(), &found.collect());

    for replica in 0..REPLICAS {
        let mut caller = world.cluster.caller(replica).unwrap();
        let place = format!("replica {replica}");
        lost.compare(&place, &shared(&tenants), &read_shared(&mut caller, &tenants).await);
        lost.compare(&place, &expected, &read_keys(&mut caller, &tenants).await);
    }
    lost
}

#[test]
fn a_change_that_was_acknowledged_and_is_not_there_is_seen() {
    let record = |revision, state: &str| Record { revision, state: state.to_owned() };
    let records = |all: &[(&str, Record)]| -> Records {
        all.iter().map(|(name, record)| ((*name).to_owned(), record.clone())).collect()
    };
    let expected = records(&[("a", record(3, "off true")), ("b", record(2, ""))]);
    for (found, count) in [
        (records(&[("a", record(3, "off true")), ("b", record(2, "")), ("c", record(9, ""))]), 0),
        (records(&[("a", record(3, "off true"))]), 1),
        (records(&[("a", record(1, "off false")), ("b", record(2, ""))]), 1),
        (records(&[("a", record(3, "off false")), ("b", record(2, ""))]), 1),
        (records(&[]), 2),
    ] {
        let mut lost = Lost::default();
        lost.compare("somewhere", &expected, &found);
        assert_eq!((lost.lost, lost.told.len()), (count, count as usize), "{lost:?}");
    }
    let acknowledged = [(1, "a"), (2, "b"), (3, "a")].map(|(it, name)| (it, name.to_owned()));
    for (log, count) in [
        (vec![(1, "a"), (2, "b"), (3, "a"), (4, "c")], 0),
        (vec![(1, "a"), (2, "b")], 1),
        (vec![(1, "a"), (2, "a"), (3, "a")], 1),
    ] {
        let log: Vec<_> = log.into_iter().map(|(it, name)| (it, name.to_owned())).collect();
        let mut lost = Lost::default();
        lost.look_in_log(&acknowledged.clone().into(), &log);
        assert_eq!((lost.lost, lost.changes), (count, 3), "{lost:?}");
    }
}
