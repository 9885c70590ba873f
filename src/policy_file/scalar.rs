//! What texts without quotes mean in YAML (1.2, core schema).

use std::ops::RangeInclusive;

/// What a text without quotes means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Text,
    Nothing,
    Bool(bool),
    Number,
}

impl Meaning {
    /// By YAML 1.2.2, 10.3.2.
    pub(super) fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Nothing,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            _ if is_number(text) => Self::Number,
            _ => Self::Text,
        }
    }
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let all = |digits: &str, fits: fn(&char) -> bool| {
        !digits.is_empty() && digits.chars().all(|c| fits(&c))
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, char::is_ascii_hexdigit);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, |c| ('0'..='7').contains(c));
    }
    let (base, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((base, exponent)) => {
            (base, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
        }
        None => (unsigned, None),
    };
    let (whole, part) = base.split_once('.').unwrap_or((base, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    (!whole.is_empty() || !part.is_empty())
        && digits(whole)
        && digits(part)
        && exponent.is_none_or(|exponent| all(exponent, char::is_ascii_digit))
}

/// The whole number that a text is, within a range.
///
/// # Errors
///
/// Why it is none.
pub(super) fn whole(text: &str, range: RangeInclusive<i128>) -> Result<i128, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let octal = digits.len() > 1 && digits.starts_with('0');
    if digits.is_empty() || octal || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("must be a whole number".to_owned());
    }
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("must be {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_quotes_mean_what_yaml_says() {
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(Meaning::of(text), Meaning::Nothing, "{text}");
        }
        for text in [
            "0", "-1", "+12", "1.", ".5", "1.5", "1e3", "-1.5E+3", "0x1F", "0o17", "-.inf", ".nan",
            "007",
        ] {
            assert_eq!(Meaning::of(text), Meaning::Number, "{text}");
        }
        for text in [
            "nULL", "yes", "on", "1d", ".", "-", "+", "e3", "1e", "1.2.3", "0x", "0o8", "+.nan",
            "1_000", "a",
        ] {
            assert_eq!(Meaning::of(text), Meaning::Text, "{text}");
        }
        assert_eq!(Meaning::of("True"), Meaning::Bool(true));
        assert_eq!(Meaning::of("false"), Meaning::Bool(false));
    }

    #[test]
    fn whole_numbers_are_decimal_and_in_range() {
        for (text, number) in [("0", 0), ("-0", 0), ("9", 9), ("-9", -9)] {
            assert_eq!(whole(text, -9..=9), Ok(number), "{text}");
        }
        for text in ["10", "-10", "99999999999999999999999999999999999999999999999999"] {
            assert_eq!(whole(text, -9..=9), Err("must be -9 to 9".to_owned()), "{text}");
        }
        for text in ["", "-", "+1", "01", "1.0", "1e1", "0x1", "a", " 1"] {
            assert_eq!(whole(text, -9..=9), Err("must be a whole number".to_owned()), "{text}");
        }
    }
}
