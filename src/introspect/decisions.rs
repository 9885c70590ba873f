//! How often what was decided.

use crate::{domain::decision::Denial, measure::Counter};

/// What decisions come to, by the names that answers have for it.
const REASONS: [&str; 10] = [
    "ALLOWED",
    "INVALID_KEY",
    "REVOKED",
    "EXPIRED",
    "DISABLED",
    "IP_NOT_ALLOWED",
    "RATE_LIMITED",
    "NOT_FOUND",
    "OUTSIDE_CONSTRAINT",
    "INSUFFICIENT_SCOPE",
];

/// Counts decisions by their reason.
#[derive(Debug, Default)]
pub(super) struct Decisions([Counter; REASONS.len()]);

impl Decisions {
    pub(super) fn count(&self, denial: Option<Denial>) {
        if let Some(counter) = self.0.get(place(denial)) {
            counter.count();
        }
    }

    pub(super) fn read(&self) -> [(&'static str, u64); REASONS.len()] {
        std::array::from_fn(|place| {
            let count = self.0.get(place).map_or(0, Counter::read);
            (REASONS.get(place).copied().unwrap_or_default(), count)
        })
    }
}

/// The place of a reason among all.
const fn place(denial: Option<Denial>) -> usize {
    match denial {
        None => 0,
        Some(Denial::InvalidKey) => 1,
        Some(Denial::Revoked) => 2,
        Some(Denial::Expired) => 3,
        Some(Denial::Disabled) => 4,
        Some(Denial::IpNotAllowed) => 5,
        Some(Denial::RateLimited) => 6,
        Some(Denial::NotFound) => 7,
        Some(Denial::OutsideConstraint) => 8,
        Some(Denial::InsufficientScope) => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_its_own_name() {
        let all = [
            (None, "ALLOWED"),
            (Some(Denial::InvalidKey), "INVALID_KEY"),
            (Some(Denial::Revoked), "REVOKED"),
            (Some(Denial::Expired), "EXPIRED"),
            (Some(Denial::Disabled), "DISABLED"),
            (Some(Denial::IpNotAllowed), "IP_NOT_ALLOWED"),
            (Some(Denial::RateLimited), "RATE_LIMITED"),
            (Some(Denial::NotFound), "NOT_FOUND"),
            (Some(Denial::OutsideConstraint), "OUTSIDE_CONSTRAINT"),
            (Some(Denial::InsufficientScope), "INSUFFICIENT_SCOPE"),
        ];
        for (denial, name) in all {
            let decisions = Decisions::default();
            decisions.count(denial);
            let counted = decisions.read().into_iter().filter(|(_, count)| *count > 0);
            assert_eq!(counted.collect::<Vec<_>>(), [(name, 1)]);
        }
    }
}
