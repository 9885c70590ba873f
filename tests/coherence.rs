//! A change is in force when the call returns: while keys are introspected as fast as
//! it goes, everything that their answers rest on is changed, and every introspection
//! that starts after a change returned answers by the new state.
//!
//! Each answer carries the revision of the newest change that it rests on. It must be
//! no older than the changes that had returned when the question was sent, and the
//! outcome must be that of this very revision.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "coherence/history.rs"]
mod history;
#[path = "kill/random.rs"]
mod random;
#[path = "api/support.rs"]
#[expect(dead_code, reason = "written for the tests of the API, which use more of it")]
mod support;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use keyward::proto::{self, DenyReason};
use prost_types::FieldMask;

use history::{History, Moment, Observation, Own, Replacement, Shared, expected};
use random::{Random, seed};
use support::{Caller, Server, grants, policy, strings};

const KEYS: usize = 6;
const ASKING: usize = 4;
const CHANGES: usize = 200;
const WORKSPACE: &str = "workspaces/acme";
const PRINCIPAL: &str = "workspaces/acme/principals/ada";

/// A key that is asked about: its newest secret and the one before.
#[derive(Clone, Debug)]
struct Slot {
    key: usize,
    /// The number of each secret, and the secret.
    secrets: Vec<(usize, String)>,
}

/// What those who ask and the one who changes share.
#[derive(Default)]
struct Board {
    clock: AtomicU64,
    slots: Mutex<Vec<Slot>>,
    /// For each key, the newest change that has returned.
    floors: Mutex<Vec<Arc<AtomicI64>>>,
    is_over: AtomicBool,
}

impl Board {
    fn moment(&self) -> Moment {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    async fn ask(&self, caller: &mut Caller, slot: &Slot, place: usize) -> Observation {
        let floor = Arc::clone(&self.floors.lock().unwrap()[slot.key]);
        let (secret, text) = &slot.secrets[place];
        let floor = floor.load(Ordering::SeqCst);
        let start = self.moment();
        let answer = caller.ask(text, &["sites:write"], "").await;
        let end = self.moment();
        let (revision, reason) = (answer.revision, answer.reason());
        let is_allowed = answer.decision() == proto::Decision::Allow;
        assert_eq!(is_allowed, reason == DenyReason::Unspecified);
        let held = answer.effective_scopes.iter().any(|scope| scope == "sites:write");
        assert_eq!(is_allowed, held, "{answer:?}");
        Observation { key: slot.key, secret: *secret, start, end, floor, revision, reason }
    }

    /// Asks about whatever there is until it is over.
    async fn hammer(&self, mut caller: Caller, mut random: Random) -> Vec<Observation> {
        let mut seen = Vec::new();
        while !self.is_over.load(Ordering::SeqCst) {
            let slot = self.slots.lock().unwrap()[random.below(KEYS)].clone();
            let place = random.below(slot.secrets.len());
            seen.push(self.ask(&mut caller, &slot, place).await);
        }
        seen
    }
}

/// The one who changes things, one after another.
struct Changer {
    board: Arc<Board>,
    root: Caller,
    history: History,
    shared: Shared,
    keys: Vec<Own>,
    random: Random,
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: strings(&[path]) })
}

fn scope(own: Own) -> Vec<proto::Grant> {
    grants(&[if own.may_write { "sites:write" } else { "sites:read" }])
}

fn name(key: usize) -> String {
    format!("{WORKSPACE}/keys/k{key}")
}

impl Changer {
    /// A change that all keys rest on has returned.
    fn all_changed(&mut self, revision: i64) {
        for key in 0..self.keys.len() {
            self.changed(key, revision);
        }
    }

    fn changed(&mut self, key: usize, revision: i64) {
        self.history.note(key, revision, expected(self.shared, self.keys[key]));
        self.board.floors.lock().unwrap()[key].store(revision, Ordering::SeqCst);
    }

    /// Makes a key and asks about it in place of another.
    async fn create(&mut self, slot: usize) {
        let (key, own) = (self.keys.len(), Own { may_write: true, is_revoked: false });
        let draft = proto::Key {
            display_name: "asked about".to_owned(),
            principal: PRINCIPAL.to_owned(),
            grants: scope(own),
            ..Default::default()
        };
        let made = self.root.create_key("acme", &format!("k{key}"), draft).await;
        self.keys.push(own);
        self.board.floors.lock().unwrap().push(Arc::default());
        self.changed(key, made.key.unwrap().revision);
        let secrets = vec![(self.new_secret(), made.secret)];
        let slot_now = Slot { key, secrets };
        let mut slots = self.board.slots.lock().unwrap();
        if slot < slots.len() { slots[slot] = slot_now } else { slots.push(slot_now) }
    }

    fn new_secret(&mut self) -> usize {
        self.history.replaced.push(Replacement::default());
        self.history.replaced.len() - 1
    }

    async fn rotate(&mut self, slot: usize) {
        let before = self.board.slots.lock().unwrap()[slot].clone();
        let (number, _) = *before.secrets.last().unwrap();
        self.history.replaced[number].begun = Some(self.board.moment());
        let request = proto::RotateKeyRequest { name: name(before.key), ..Default::default() };
        let rotated = self.root.admin.rotate_key(request).await.unwrap().into_inner();
        self.history.replaced[number].acknowledged = Some(self.board.moment());
        self.changed(before.key, rotated.key.unwrap().revision);
        let newest = (self.new_secret(), rotated.secret);
        let secrets = vec![before.secrets.last().unwrap().clone(), newest];
        self.board.slots.lock().unwrap()[slot].secrets = secrets;
    }

    async fn revoke(&mut self, slot: usize) {
        let key = self.board.slots.lock().unwrap()[slot].key;
        let request = proto::RevokeKeyRequest { name: name(key), ..Default::default() };
        let revoked = self.root.admin.revoke_key(request).await.unwrap().into_inner();
        self.keys[key].is_revoked = true;
        self.changed(key, revoked.revision);
    }

    async fn regrant(&mut self, slot: usize) {
        let key = self.board.slots.lock().unwrap()[slot].key;
        let own = Own { may_write: !self.keys[key].may_write, ..self.keys[key] };
        let draft = proto::Key { name: name(key), grants: scope(own), ..Default::default() };
        let request = proto::UpdateKeyRequest {
            key: Some(draft),
            update_mask: mask("grants"),
            ..Default::default()
        };
        let updated = self.root.admin.update_key(request).await.unwrap().into_inner();
        self.keys[key] = own;
        self.changed(key, updated.key.unwrap().revision);
    }

    async fn suspend_or_resume(&mut self) {
        let (name, admin) = (WORKSPACE.to_owned(), &mut self.root.admin);
        let changed = if self.shared.is_suspended {
            let request = proto::ResumeWorkspaceRequest { name, ..Default::default() };
            admin.resume_workspace(request).await
        } else {
            let request = proto::SuspendWorkspaceRequest { name, ..Default::default() };
            admin.suspend_workspace(request).await
        };
        self.shared.is_suspended ^= true;
        self.all_changed(changed.unwrap().get_ref().revision);
    }

    async fn disable_or_enable(&mut self) {
        let (name, admin) = (PRINCIPAL.to_owned(), &mut self.root.admin);
        let changed = if self.shared.is_disabled {
            let request = proto::EnablePrincipalRequest { name, ..Default::default() };
            admin.enable_principal(request).await
        } else {
            let request = proto::DisablePrincipalRequest { name, ..Default::default() };
            admin.disable_principal(request).await
        };
        self.shared.is_disabled ^= true;
        self.all_changed(changed.unwrap().get_ref().revision);
    }

    async fn change_role(&mut self) {
        let role = if self.shared.is_observer { "owner" } else { "observer" };
        let principal = proto::Principal {
            name: PRINCIPAL.to_owned(),
            role: role.to_owned(),
            ..Default::default()
        };
        let request = proto::UpdatePrincipalRequest {
            principal: Some(principal),
            update_mask: mask("role"),
            ..Default::default()
        };
        let updated = self.root.admin.update_principal(request).await.unwrap().into_inner();
        self.shared.is_observer ^= true;
        self.all_changed(updated.principal.unwrap().revision);
    }

    async fn change_policy(&mut self) {
        let scopes: &[&str] =
            if self.shared.observers_write { &["*:read"] } else { &["*:read", "sites:write"] };
        let mut policy = policy();
        policy.name = "policies/acme".to_owned();
        let observer = policy.roles.iter_mut().find(|role| role.name == "observer").unwrap();
        observer.scopes = strings(scopes);
        let request = proto::UpdatePolicyRequest {
            policy: Some(policy),
            update_mask: mask("roles"),
            force: true,
            ..Default::default()
        };
        let updated = self.root.admin.update_policy(request).await.unwrap().into_inner();
        self.shared.observers_write ^= true;
        self.all_changed(updated.policy.unwrap().revision);
    }

    /// One change, and a key that it concerns. A revoked key makes room for a new one;
    /// nothing is left suspended or disabled for long, or there would be little to see of
    /// the rest.
    async fn change(&mut self) -> usize {
        let slot = self.random.below(KEYS);
        let key = self.board.slots.lock().unwrap()[slot].key;
        let choice = self.random.below(12);
        match choice {
            _ if self.shared.is_suspended && choice < 8 => self.suspend_or_resume().await,
            _ if self.shared.is_disabled && choice < 8 => self.disable_or_enable().await,
            _ if self.keys[key].is_revoked && self.shared.is_disabled => {
                self.disable_or_enable().await;
            }
            _ if self.keys[key].is_revoked => self.create(slot).await,
            0..=2 => self.rotate(slot).await,
            3..=4 => self.revoke(slot).await,
            5..=6 => self.regrant(slot).await,
            7 => self.suspend_or_resume().await,
            8 => self.disable_or_enable().await,
            9 => self.change_role().await,
            _ => self.change_policy().await,
        }
        slot
    }

    /// Asks at once about the secrets of a key, the moment that a change has returned.
    async fn look(&mut self, slot: usize, seen: &mut Vec<Observation>) {
        let slot = self.board.slots.lock().unwrap()[slot].clone();
        for place in 0..slot.secrets.len() {
            seen.push(self.board.ask(&mut self.root, &slot, place).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_introspection_that_starts_after_a_change_returned_answers_by_it() {
    let seed = seed("coherence");
    let server = Server::start_with(|settings| settings.server.front_threads = 2).await;
    let mut root = server.root().await;
    root.create_policy("acme", policy()).await;
    root.create_workspace("acme", "policies/acme").await;
    root.create_principal("acme", "ada", "owner").await;
    let board = Arc::new(Board::default());
    let mut changer = Changer {
        board: Arc::clone(&board),
        root,
        history: History::default(),
        shared: Shared::default(),
        keys: Vec::new(),
        random: Random::new(seed),
    };
    for slot in 0..KEYS {
        changer.create(slot).await;
    }
    let mut asking = Vec::new();
    for number in 0..ASKING as u64 {
        let (board, caller) = (Arc::clone(&board), server.root().await);
        let random = Random::new(seed ^ number << 56);
        asking.push(tokio::spawn(async move { board.hammer(caller, random).await }));
    }
    let mut seen = Vec::new();
    for _ in 0..CHANGES {
        let slot = changer.change().await;
        changer.look(slot, &mut seen).await;
    }
    board.is_over.store(true, Ordering::SeqCst);
    let looked = seen.len();
    for task in asking {
        seen.extend(task.await.unwrap());
    }
    let faults: Vec<String> =
        seen.iter().filter_map(|answer| changer.history.fault(answer)).collect();
    assert!(faults.is_empty(), "{} of {}: {:#?}", faults.len(), seen.len(), &faults[..1]);
    println!(
        "coherence: {CHANGES} changes, {} answers, {} of them at the same time as changes, none \
         from an older state",
        seen.len(),
        seen.len() - looked,
    );
    assert!(seen.len() - looked > CHANGES, "hardly anything was asked meanwhile");
    let counts = server.cache.counts();
    println!("coherence: {counts:?}");
    assert!(counts.hits > seen.len() as u64, "hardly anything was answered from memory");
    assert!(counts.loads > CHANGES as u64, "hardly anything was loaded anew");
    // Each kind of answer was seen, or the test shows less than it says.
    for reason in [
        DenyReason::Unspecified,
        DenyReason::InvalidKey,
        DenyReason::Revoked,
        DenyReason::Disabled,
        DenyReason::InsufficientScope,
    ] {
        assert!(seen.iter().any(|answer| answer.reason == reason), "{reason:?} was never seen");
    }
}
