//! Moments as people read them.

use crate::domain::time::Timestamp;

const DAY_S: i64 = 86_400;
/// Days of 400 years, after which the calendar begins anew.
const ERA_D: i64 = 146_097;

/// A moment as `2026-11-22T15:04:05Z` (RFC 3339), to the second.
pub(super) fn date(moment: Timestamp) -> String {
    let seconds = moment.micros().div_euclid(1_000_000);
    let (day, second) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    // From the 1st of March of the year 0: leap days are the last of their years then.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(ERA_D), day.rem_euclid(ERA_D));
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA_D - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_893_456_000, "2030-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (67_767_976, "1972-02-24T08:26:16Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(date(Timestamp::from_micros(seconds * 1_000_000)), expected);
        }
    }
}
