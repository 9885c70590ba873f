//! Which fields an update changes (AIP-134, AIP-161).

use crate::domain::fault::{Faults, nearest, without_secrets};

/// The fields that an update names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mask {
    /// Those that are given and not empty.
    #[default]
    Given,
    /// Every one that can be changed.
    All,
    /// These.
    Paths(Vec<String>),
}

impl Mask {
    /// The mask of these paths; none at all and an empty list mean those that are given.
    pub fn new(paths: Vec<String>) -> Self {
        if paths.is_empty() {
            Self::Given
        } else if matches!(&*paths, [all] if all == "*") {
            Self::All
        } else {
            Self::Paths(paths)
        }
    }

    /// Whether the field is to be changed; `given` says whether the request has it.
    pub fn names(&self, field: &str, given: bool) -> bool {
        match self {
            Self::Given => given,
            Self::All => true,
            Self::Paths(paths) => paths.iter().any(|path| path == field),
        }
    }

    /// Notes paths that cannot be changed: the unknown, and those `fixed` once made.
    pub(super) fn check(&self, changeable: &[&str], fixed: &[&str], faults: &mut Faults) {
        let Self::Paths(paths) = self else { return };
        if !faults.bound("update_mask", paths.len(), 100) {
            return;
        }
        for (place, path) in paths.iter().enumerate() {
            let field = format!("update_mask.paths[{place}]");
            if fixed.contains(&path.as_str()) {
                faults.note(field, format_args!("{path:?} is fixed once the resource is made"));
            } else if path == "*" {
                faults.note(field, "\"*\" stands alone or not at all");
            } else if !changeable.contains(&path.as_str()) {
                let shown: String = without_secrets(path).chars().take(80).collect();
                let all = changeable.join(", ");
                faults.note(
                    field,
                    match nearest(path, changeable.iter().copied()).filter(|_| faults.wants_hint())
                    {
                        Some(near) => {
                            format!("no field {shown:?}; did you mean {near:?}? There are: {all}")
                        }
                        None => format!("no field {shown:?}; there are: {all}"),
                    },
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn mask(paths: &[&str]) -> Mask {
        Mask::new(paths.iter().map(|path| (*path).to_owned()).collect())
    }

    #[test]
    fn without_paths_the_given_fields_are_meant() {
        assert!(mask(&[]).names("title", true));
        assert!(!mask(&[]).names("title", false));
    }

    #[test]
    fn an_asterisk_is_every_field_and_a_path_is_one() {
        assert!(mask(&["*"]).names("title", false));
        assert!(mask(&["title"]).names("title", false));
        assert!(!mask(&["title"]).names("labels", true));
    }

    #[test]
    fn unknown_and_fixed_paths_are_faults() {
        let mut faults = Faults::new();
        mask(&["title", "titel", "name", "*"]).check(&["title"], &["name"], &mut faults);
        let faults = faults.finish().unwrap_err();
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(
            fields,
            ["update_mask.paths[1]", "update_mask.paths[2]", "update_mask.paths[3]"]
        );
        assert!(faults[0].description.contains("did you mean \"title\""));
    }
}
