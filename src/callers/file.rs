//! The file that lists callers:
//!
//! ```toml
//! [[callers]]
//! identity = "spiffe://acme.example/ns/shop/sa/checkout"
//! scopes = ["introspect"]
//! workspaces = ["acme"]
//! ```
//!
//! Every part of an entry is required, and `workspaces = "*"` says all of them: a file that was cut short is never one
//! that allows more.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Display},
    ops::Range,
    str::FromStr,
    sync::Arc,
};

use toml::de::{DeTable, DeValue};

use super::{Callers, Listed};
use crate::domain::{
    event::Revision,
    fault::{Faults, nearest, without_secrets},
    identity::Identity,
    key::{Grant, Key},
    live::{Facts, LiveKey, Stored},
    name::{Id, KeyName, Title},
    network::AllowedNetworks,
    policy::CompiledPolicy,
    system::{self, SystemScope},
    time::Timestamp,
};

/// The largest file, in bytes.
pub const BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most faults that are told.
const FAULTS_MAX: usize = 100;
/// The one name at the top.
const LIST: &str = "callers";
/// The names in an entry.
const FIELDS: [&str; 3] = ["identity", "scopes", "workspaces"];
/// All workspaces.
const ALL: &str = "*";
/// The identifier that the record of a caller has in memory, where a key has its own.
const ID: &str = "certificate";

type Spanned<T> = toml::Spanned<T>;

/// What is wrong with the file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub said: String,
}

/// A file that lists no callers: all that is wrong with it, at least one fault, in the order of lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidCallers(pub Vec<Fault>);

impl Display for InvalidCallers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.iter().take(FAULTS_MAX);
        let lines: Vec<_> =
            lines.map(|Fault { line, said }| format!("line {line}: {said}")).collect();
        f.write_str(&lines.join("; "))?;
        match self.0.len().saturating_sub(FAULTS_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl FromStr for Callers {
    type Err = InvalidCallers;

    fn from_str(text: &str) -> Result<Self, InvalidCallers> {
        let mut reader = Reader { text, faults: Vec::new() };
        let callers = reader.callers();
        let Reader { mut faults, .. } = reader;
        if faults.is_empty() {
            return Ok(callers);
        }
        faults.sort_by_key(|fault| fault.line);
        Err(InvalidCallers(faults))
    }
}

/// Reads a file to its end, whatever is wrong.
struct Reader<'a> {
    text: &'a str,
    faults: Vec<Fault>,
}

/// What an entry says.
struct Entry {
    scopes: Vec<SystemScope>,
    workspaces: Reach,
}

/// The workspaces that an entry reaches.
enum Reach {
    All,
    /// At least one, where nothing is wrong.
    These(Vec<Id>),
}

impl Reader<'_> {
    fn note(&mut self, at: &Range<usize>, said: impl Display) {
        let before = self.text.as_bytes().get(..at.start).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.faults.push(Fault { line, said: said.to_string() });
    }

    fn callers(&mut self) -> Callers {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            // What it quotes of the file stays in the file.
            self.note(&error.span().unwrap_or_default(), error.message());
        }
        if !errors.is_empty() {
            return Callers::default();
        }
        let Some(policy) = built_in() else {
            self.note(&(0..0), "the built-in policy is damaged");
            return Callers::default();
        };
        self.only(document.get_ref(), &[LIST]);
        let (mut of, mut lines) = (HashMap::new(), HashMap::new());
        let Some(list) = document.get_ref().get(LIST) else {
            self.note(
                &(0..0),
                "there is no [[callers]]; write `callers = []` where nobody is to be known",
            );
            return Callers::default();
        };
        for entry in self.items(LIST, list) {
            let Some((identity, at, entry)) = self.entry(entry) else { continue };
            if let Some(first) = lines.insert(identity.clone(), at.clone()) {
                let before = self.text.get(..first.start).unwrap_or_default();
                let line = 1 + before.matches('\n').count();
                self.note(&at, format_args!("identity: {identity} is listed in line {line}, too"));
            }
            of.insert(identity, Listed::new(like_a_key(entry, &policy)));
        }
        Callers { of }
    }

    /// One entry, with the place of its identity.
    fn entry(&mut self, value: &Spanned<DeValue<'_>>) -> Option<(Identity, Range<usize>, Entry)> {
        let Some(table) = value.get_ref().as_table() else {
            self.note(&value.span(), "an entry must be a table: write [[callers]] above it");
            return None;
        };
        self.only(table, &FIELDS);
        let identity = match table.get("identity") {
            Some(value) => self.parsed("identity", value, Identity::parse),
            None => {
                self.note(&value.span(), "identity is missing");
                None
            }
        };
        let scopes = match table.get("scopes") {
            Some(value) => self.all("scopes", value, scope),
            None => {
                self.note(&value.span(), "scopes is missing: say what the caller may do");
                Vec::new()
            }
        };
        let workspaces = self.workspaces(value, table.get("workspaces"));
        let at = table.get("identity").map_or(0..0, Spanned::span);
        Some((identity?, at, Entry { scopes, workspaces }))
    }

    fn workspaces(
        &mut self,
        entry: &Spanned<DeValue<'_>>,
        value: Option<&Spanned<DeValue<'_>>>,
    ) -> Reach {
        let Some(value) = value else {
            self.note(
                &entry.span(),
                "workspaces is missing: name those that the caller reaches, or write `workspaces = \"*\"` for all",
            );
            return Reach::These(Vec::new());
        };
        match value.get_ref().as_str() {
            Some(ALL) => Reach::All,
            Some(_) => {
                self.note(&value.span(), "workspaces: must be a list, or \"*\" for all of them");
                Reach::These(Vec::new())
            }
            None => Reach::These(self.all("workspaces", value, |text| {
                text.parse::<Id>().map_err(|error| {
                    format!("{error}; to reach all of them write `workspaces = \"*\"`")
                })
            })),
        }
    }

    /// Notes every name that is none of these.
    fn only(&mut self, table: &DeTable<'_>, names: &[&str]) {
        for (name, _) in table.iter() {
            let (name, at): (&str, _) = (name.get_ref(), name.span());
            if !names.contains(&name) {
                let hint = hint(nearest(name, names.iter().copied()));
                self.note(&at, format_args!("unknown name {:?}{hint}", without_secrets(name)));
            }
        }
    }

    fn items<'v, 'i>(
        &mut self,
        field: &str,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Vec<&'v Spanned<DeValue<'i>>> {
        match value.get_ref().as_array() {
            Some(array) => array.iter().collect(),
            None => {
                let found = value.get_ref().type_str();
                self.note(
                    &value.span(),
                    format_args!("{field}: must be a list, it is of type {found}"),
                );
                Vec::new()
            }
        }
    }

    /// Every item of a list that must have at least one.
    fn all<T, E: Display>(
        &mut self,
        field: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let items = self.items(field, value);
        if items.is_empty() && value.get_ref().is_array() {
            self.note(&value.span(), format_args!("{field}: must name at least one"));
        }
        items.into_iter().filter_map(|item| self.parsed(field, item, &parse)).collect()
    }

    fn parsed<T, E: Display>(
        &mut self,
        field: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            let found = value.get_ref().type_str();
            self.note(
                &value.span(),
                format_args!("{field}: must be a string, it is of type {found}"),
            );
            return None;
        };
        let shown = || without_secrets(text);
        let read = parse(text).map_err(|error| format!("{field}: {:?}: {error}", shown()));
        read.map_err(|said| self.note(&value.span(), said)).ok()
    }
}

fn hint(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

fn scope(text: &str) -> Result<SystemScope, String> {
    let known = || SystemScope::ALL.iter().copied();
    known().find(|scope| scope.as_str() == text).ok_or_else(|| {
        let near = hint(nearest(text, known().map(SystemScope::as_str)));
        let all: Vec<&str> = known().map(SystemScope::as_str).collect();
        format!("is no scope of the built-in policy{near}; there are {}", all.join(", "))
    })
}

fn built_in() -> Option<Arc<CompiledPolicy>> {
    CompiledPolicy::compile(system::policy(), "policy", &mut Faults::new()).map(Arc::new)
}

/// What a caller may do, in the form in which a key of the workspace `system` has it.
fn like_a_key(Entry { scopes, workspaces }: Entry, policy: &Arc<CompiledPolicy>) -> LiveKey {
    let grant = |scope: SystemScope| Grant { scope: scope.as_str().to_owned(), resource: None };
    let constraint = match workspaces {
        Reach::All => Vec::new(),
        Reach::These(ids) => ids.into_iter().map(|id| format!("workspaces/{id}")).collect(),
    };
    let key = Key {
        name: KeyName { workspace: Id::system(), key: ID.parse().unwrap_or_else(|_| Id::system()) },
        title: Title::default(),
        key_type: policy.key_type("").map(|kind| kind.name.clone()).unwrap_or_default(),
        principal: None,
        grants: scopes.into_iter().map(grant).collect(),
        constraint,
        allowed_cidrs: AllowedNetworks::default(),
        expire_time: None,
        plan: String::new(),
        labels: BTreeMap::new(),
        minting_key: None,
        revoke_time: None,
    };
    let (revision, time) = (Revision::default(), Timestamp::MIN);
    let key = Stored { value: key, revision, create_time: time, update_time: time };
    let workspace = key.with(system::workspace()).into();
    let policy_name = (system::policy_name(), revision);
    LiveKey::new(
        Facts { key, replaced: None, workspace, principal: None, policy: policy_name },
        Arc::clone(policy),
    )
}
