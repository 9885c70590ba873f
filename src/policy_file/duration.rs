//! Spans of time as they are written in files.

/// The longest span, in seconds: what `google.protobuf.Duration` can hold.
const SECONDS_MAX: u64 = 315_576_000_000;

/// The units, the largest first, with their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// The form, as a regular expression; two characters are the least.
pub(super) const PATTERN: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+(\\.[0-9]{1,9})?s)?$";

/// Spans as they are written.
pub(super) const EXAMPLES: [&str; 2] = ["90d", "1d12h"];

/// How spans are written.
pub(super) const WRITTEN: &str = "Written as 90d, 1d12h or 30m: numbers with the units d, h, m \
    and s, the largest first and each at most once.";

/// What a span must be.
const RULE: &str =
    "must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first";

/// The seconds and nanoseconds of a span: numbers with the units d, h, m and s, the
/// largest first and each at most once, or seconds as JSON has them (`1.5s`).
///
/// # Errors
///
/// Why the text is no span.
pub(super) fn parse(text: &str) -> Result<(i64, i32), String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let examples = UNITS.map(|(unit, _)| super::text::quoted(&format!("{text}{unit}")));
        return Err(format!("has no unit: write {}", examples.join(", ")));
    }
    if let Some(rest) = text.strip_prefix('-')
        && read(rest).is_ok()
    {
        return Err("must not be negative".to_owned());
    }
    read(text)
}

fn read(text: &str) -> Result<(i64, i32), String> {
    let rule = || RULE.to_owned();
    let long = || format!("is longer than a span can be, {SECONDS_MAX}s");
    let mut units = UNITS.iter();
    let (mut rest, mut seconds, mut nanos) = (text, 0_u64, 0);
    if rest.is_empty() {
        return Err(rule());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).ok_or_else(rule)?;
        let (number, behind) = rest.split_at(end);
        let unit = behind.chars().next().ok_or_else(rule)?;
        let (_, each) = units.find(|(known, _)| *known == unit).ok_or_else(rule)?;
        let (whole, part) = match number.split_once('.') {
            Some((whole, part)) if *each == 1 => (whole, Some(part)),
            Some(_) => return Err(rule()),
            None => (number, None),
        };
        if whole.is_empty() {
            return Err(rule());
        }
        nanos = part.map_or(Some(0), nanoseconds).ok_or_else(rule)?;
        let count: u64 = whole.parse().map_err(|_| long())?;
        let more = count.checked_mul(*each).ok_or_else(long)?;
        seconds = seconds.checked_add(more).filter(|all| *all <= SECONDS_MAX).ok_or_else(long)?;
        rest = behind.get(unit.len_utf8()..).unwrap_or_default();
    }
    if seconds == SECONDS_MAX && nanos > 0 {
        return Err(long());
    }
    Ok((i64::try_from(seconds).map_err(|_| long())?, nanos))
}

/// The nanoseconds of what stands behind the point: one to nine digits.
fn nanoseconds(digits: &str) -> Option<i32> {
    let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| format!("{digits:0<9}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_numbers_with_units() {
        for (text, expected) in [
            ("0s", (0, 0)),
            ("90d", (7_776_000, 0)),
            ("1d12h", (129_600, 0)),
            ("1d2h3m4s", (93_784, 0)),
            ("7776000s", (7_776_000, 0)),
            ("1.5s", (1, 500_000_000)),
            ("0.000000001s", (0, 1)),
            ("1m0.25s", (60, 250_000_000)),
            ("315576000000s", (315_576_000_000, 0)),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "d",
            "7 days",
            "1 d",
            "1w",
            "1D",
            "12h1d",
            "1d1d",
            "1.5d",
            ".5s",
            "1.s",
            "1.2.3s",
            "1.0000000001s",
            "1d12",
            "+1d",
            "--1d",
            "1dd",
            "é",
            "1é",
            "²s",
        ] {
            assert_eq!(parse(text), Err(RULE.to_owned()), "{text}");
        }
        for text in
            ["315576000001s", "315576000000.1s", "99999999999999999999d", "9999999999999999d"]
        {
            assert!(parse(text).is_err_and(|why| why.contains("longer")), "{text}");
        }
        assert_eq!(parse("-1d"), Err("must not be negative".to_owned()));
        let why = "has no unit: write \"90d\", \"90h\", \"90m\", \"90s\"";
        assert_eq!(parse("90"), Err(why.to_owned()));
    }
}
