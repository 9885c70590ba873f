//! Where the fields of a policy stand in its file.

use super::{Place, faults::Noted};
use crate::domain::fault::{FAULTS_MAX, Faults};

/// Where a value stands, and what is in it.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) place: Place,
    /// Whether it is wrong by itself, and not what it seems to a policy.
    pub(super) faulty: bool,
    pub(super) within: Within,
}

/// What is in a value.
#[derive(Debug, Default)]
pub(super) enum Within {
    #[default]
    Nothing,
    /// The fields of a message.
    Fields(Vec<(String, Places)>),
    /// The entries of a list.
    Items(Vec<Places>),
}

impl Places {
    pub(super) fn of(place: Place) -> Self {
        Self { place, faulty: false, within: Within::Nothing }
    }

    /// Notes the faults of a policy where they stand in its file; those apart that come
    /// of a value that is wrong by itself. Those that are not kept are counted where
    /// nothing else is wrong, for otherwise nobody knows which of them come of that.
    pub(super) fn bring(&self, faults: Faults, noted: &mut Noted) {
        let count = if noted.is_empty() { faults.count() } else { 0 };
        let Err(faults) = faults.finish() else { return };
        for fault in faults.iter().take(FAULTS_MAX) {
            let path = fault.field.strip_prefix("policy").unwrap_or(&fault.field);
            let path = path.strip_prefix('.').unwrap_or(path);
            if let Some(place) = self.find(path) {
                noted.note(place, path, &fault.description);
            }
        }
        noted.count_more(count.saturating_sub(FAULTS_MAX));
    }

    /// Where the field of this path stands, or what it would be in; nothing where that is
    /// wrong by itself.
    fn find(&self, path: &str) -> Option<Place> {
        let mut here = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            if here.faulty {
                return None;
            }
            let next = match (&here.within, step.strip_suffix(']')) {
                (Within::Fields(fields), None) => {
                    fields.iter().find(|(name, _)| name == step).map(|(_, places)| places)
                }
                (Within::Items(items), Some(index)) => {
                    index.parse().ok().and_then(|index: usize| items.get(index))
                }
                _ => None,
            };
            let Some(next) = next else { return Some(here.place) };
            here = next;
        }
        (!here.faulty).then_some(here.place)
    }
}
