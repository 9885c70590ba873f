#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering::SeqCst},
};

use super::*;
use crate::domain::{caller::Refused, key::Grant, system::SystemScope, time::Timestamp};

const LIST: &str = r#"
[[callers]]
identity = "spiffe://acme.example/checkout"
scopes = ["introspect", "keys:read"]
workspaces = ["acme", "shop"]

[[callers]]
identity = "dns:Ops.acme.example"
scopes = ["*"]
workspaces = "*"
"#;

/// Tells the time that it is told.
#[derive(Default)]
struct Told(AtomicI64);

impl Clock for Told {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(SeqCst))
    }
}

fn presented(hosts: &[&str], uris: &[&str]) -> Presented {
    let end = Timestamp::from_micros(100);
    Presented::new(uris.iter().copied(), hosts.iter().copied(), end)
}

fn in_force(text: &str) -> (InForce, Arc<Told>) {
    let clock = Arc::new(Told::default());
    (InForce::new(text.parse().unwrap(), Arc::clone(&clock) as _), clock)
}

#[track_caller]
fn refused(text: &str, expected: &[(usize, &str)]) {
    let InvalidCallers(faults) = text.parse::<Callers>().unwrap_err();
    let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
    let expected_lines: Vec<usize> = expected.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, expected_lines, "{faults:#?}");
    for (fault, (_, said)) in faults.iter().zip(expected) {
        assert!(fault.said.contains(said), "{fault:?} has no {said:?}");
    }
}

#[test]
fn a_caller_may_do_what_its_entry_says_and_no_more() {
    let (callers, _) = in_force(LIST);
    let backend = callers.caller(&presented(&[], &["spiffe://acme.example/checkout"])).unwrap();
    assert_eq!(backend.name(), "spiffe://acme.example/checkout");
    assert!(backend.key().is_none());
    for workspace in ["workspaces/acme", "workspaces/shop/keys/ci"] {
        assert_eq!(backend.reach(SystemScope::Introspect, &workspace), Ok(()));
        assert_eq!(backend.reach(SystemScope::KeysRead, &workspace), Ok(()));
    }
    let hidden = backend.reach(SystemScope::Introspect, &"workspaces/other");
    assert_eq!(hidden, Err(Refused::Hidden("workspaces/other".to_owned())));
    let missing = backend.require(SystemScope::KeysWrite);
    assert_eq!(missing, Err(Refused::ScopeMissing(SystemScope::KeysWrite)));
    assert!(backend.reach_all(SystemScope::Introspect).is_err());

    let ops = callers.caller(&presented(&["OPS.acme.example"], &[])).unwrap();
    assert_eq!(ops.name(), "dns:ops.acme.example");
    assert_eq!(ops.reach_all(SystemScope::EventsRead), Ok(()));
}

#[test]
fn who_is_not_listed_byte_by_byte_is_not_known() {
    let (callers, _) = in_force(LIST);
    for uri in [
        "spiffe://acme.example/Checkout",
        "spiffe://acme.example/checkout/x",
        "spiffe://acme.example",
    ] {
        let known = callers.caller(&presented(&[], &[uri]));
        assert_eq!(known.err(), Some(NotKnown::NotListed), "{uri}");
    }
    for host in ["acme.example", "x.ops.acme.example", "*.acme.example"] {
        let known = callers.caller(&presented(&[host], &[]));
        assert_eq!(known.err(), Some(NotKnown::NotListed), "{host}");
    }
}

#[test]
fn of_several_hosts_the_first_that_is_listed_counts() {
    let list = format!(
        "{LIST}\n[[callers]]\nidentity = \"dns:b\"\nscopes = [\"introspect\"]\nworkspaces = \"*\""
    );
    let (callers, _) = in_force(&list);
    let caller = callers.caller(&presented(&["a", "b", "ops.acme.example"], &[])).unwrap();
    assert_eq!(caller.name(), "dns:b");
}

#[test]
fn a_list_in_place_of_another_counts_at_once() {
    let (callers, _) = in_force(LIST);
    let certificate = presented(&["ops.acme.example"], &[]);
    assert!(callers.caller(&certificate).is_ok());
    callers.replace("callers = []".parse().unwrap());
    assert_eq!(callers.caller(&certificate).err(), Some(NotKnown::NotListed));
}

#[test]
fn who_loses_something_by_another_list_is_withdrawn_and_nobody_else() {
    let (callers, _) = in_force(LIST);
    let ops = callers.caller(&presented(&["ops.acme.example"], &[])).unwrap();
    let checkout = callers.caller(&presented(&[], &["spiffe://acme.example/checkout"])).unwrap();
    // The same, in another order.
    let (first, second) = LIST.split_once("\n\n").unwrap();
    callers.replace(format!("{second}\n{first}").parse().unwrap());
    assert!(!ops.is_withdrawn() && !checkout.is_withdrawn());
    callers.replace(LIST.replace("\"introspect\", ", "").parse().unwrap());
    assert!(!ops.is_withdrawn() && checkout.is_withdrawn());
    callers.replace(LIST.replace("workspaces = \"*\"", "workspaces = [\"acme\"]").parse().unwrap());
    assert!(ops.is_withdrawn());
    let again = callers.caller(&presented(&["ops.acme.example"], &[])).unwrap();
    assert!(!again.is_withdrawn());
    callers.replace("callers = []".parse().unwrap());
    assert!(again.is_withdrawn());
}

#[test]
fn a_certificate_that_no_authority_vouches_for_any_more_is_nobodys() {
    let (callers, _) = in_force(LIST);
    let certificate = presented(&["ops.acme.example"], &[]);
    let caller = callers.caller(&certificate).unwrap();
    certificate.standing.withdraw();
    assert!(caller.is_withdrawn());
    assert_eq!(callers.caller(&certificate).err(), Some(NotKnown::NotTrusted));
}

/// What each caller of a list may do, and where.
fn allowed(callers: &Callers) -> BTreeMap<Identity, (Vec<Grant>, Vec<String>)> {
    let allowed = |listed: &Listed| {
        let key = listed.like.key();
        (key.grants.clone(), key.constraint.clone())
    };
    callers.of.iter().map(|(identity, listed)| (identity.clone(), allowed(listed))).collect()
}

#[test]
fn a_list_that_is_cut_short_anywhere_allows_nobody_more() {
    let others = [
        "callers = [{identity = \"dns:a\", scopes = [\"*\"], workspaces = [\"acme\"]}]\n",
        "[[callers]]\nworkspaces = [\n  \"acme\",\n]\nscopes = [\n \"introspect\",\n]\nidentity = 'dns:a.b'\n",
    ];
    for list in [&[LIST][..], &others].concat() {
        let whole = allowed(&list.parse().unwrap());
        let cuts = (0..list.len()).filter(|cut| list.is_char_boundary(*cut));
        let mut taken = 0;
        for cut in cuts {
            let Ok(read) = list[..cut].parse::<Callers>() else { continue };
            taken += 1;
            for (identity, may) in allowed(&read) {
                assert_eq!(whole.get(&identity), Some(&may), "cut at {cut}: {identity}");
            }
        }
        assert!(taken < 8, "{taken} beginnings of {list:?} are lists");
    }
}

#[test]
fn a_certificate_that_has_ended_is_nobodys() {
    let (callers, clock) = in_force(LIST);
    let certificate = presented(&["ops.acme.example"], &[]);
    clock.0.store(100, SeqCst);
    assert!(callers.caller(&certificate).is_ok());
    clock.0.store(101, SeqCst);
    assert_eq!(callers.caller(&certificate).err(), Some(NotKnown::Ended));
}

#[test]
fn every_fault_is_named_with_its_line() {
    let text = r#"
version = 1
[[callers]]
identity = "acme"
scopes = ["introspekt", 7]
workspaces = ["Acme"]
[[callers]]
identity = "dns:*.acme"
scope = ["introspect"]
[[callers]]
scopes = []
workspaces = []
[[callers]]
identity = 5
scopes = "introspect"
workspaces = "acme"
"#;
    refused(
        text,
        &[
            (2, "unknown name \"version\""),
            (4, "must begin with spiffe:// or dns:"),
            (5, "did you mean \"introspect\"?"),
            (5, "must be a string"),
            (6, "write `workspaces = \"*\"`"),
            (7, "scopes is missing"),
            (7, "workspaces is missing"),
            (8, "list each name"),
            (9, "did you mean \"scopes\"?"),
            (10, "identity is missing"),
            (11, "scopes: must name at least one"),
            (12, "workspaces: must name at least one"),
            (14, "identity: must be a string"),
            (15, "scopes: must be a list"),
            (16, "workspaces: must be a list, or \"*\""),
        ],
    );
}

#[test]
fn an_identity_that_is_listed_twice_is_refused() {
    let twice = format!(
        "{LIST}\n[[callers]]\nidentity = \"dns:OPS.acme.example\"\nscopes = [\"*\"]\nworkspaces = \"*\""
    );
    refused(&twice, &[(13, "dns:ops.acme.example is listed in line 8, too")]);
}

#[test]
fn a_file_that_was_cut_off_is_refused_and_an_empty_list_is_one() {
    refused("", &[(1, "callers = []")]);
    refused("callers = 7", &[(1, "callers: must be a list")]);
    refused("callers = [7]", &[(1, "an entry must be a table")]);
    refused("\n[[callers]\n", &[(2, "")]);
    assert_eq!("callers = []".parse::<Callers>().unwrap().count(), 0);
}

#[test]
fn more_faults_than_can_be_read_are_counted() {
    let text = "[[callers]]\n".repeat(FAULTS.div_ceil(3));
    let said = text.parse::<Callers>().unwrap_err().to_string();
    assert!(said.ends_with(&format!("; and {} more", FAULTS - 100)), "{said}");
}

/// Three for each entry.
const FAULTS: usize = 105;
