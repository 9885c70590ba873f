//! Whatever the bytes, there is an answer, and soon.

use proptest::{collection::vec, prelude::*};

use crate::support::{BASE, try_read};

/// What means something in YAML, and what means something in policies.
fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "*",
        "&",
        "!",
        "!!",
        "%",
        "@",
        "`",
        "|",
        ">",
        "'",
        "\"",
        "#",
        "?",
        ":",
        "-",
        ",",
        "[",
        "]",
        "{",
        "}",
        "<<",
        "~",
        "---",
        "...",
        "\n",
        "\n",
        "\n  ",
        "\n    ",
        " ",
        " ",
        "\t",
        "\r",
        "\\",
        ": ",
        "- ",
        "? ",
        "a",
        "b",
        "1",
        "true",
        "null",
        "é",
        "\u{feff}",
        "\u{85}",
        "\0",
        "scopes:",
        "name: ",
        "implies: ",
        "key_types:",
        "expiry:",
        "max_ttl: ",
        "plans:",
        "90d",
        "*:read",
        "|-\n",
        ">+2\n",
        "%YAML 1.2\n",
        "%TAG ! x\n",
        "!<x>",
        "&a ",
        "*a ",
        "\\x",
        "\\u12",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pieces_of_yaml_in_any_order(pieces in vec(piece(), 0..40)) {
        let _ = try_read(pieces.concat());
    }

    #[test]
    fn bytes(bytes in vec(any::<u8>(), 0..200)) {
        let _ = try_read(bytes);
    }

    #[test]
    fn a_policy_with_something_in_it_or_taken_out(
        at in 0..BASE.len(), length in 0..10usize, pieces in vec(piece(), 0..4),
    ) {
        let end = (at + length).min(BASE.len());
        let _ = try_read(format!("{}{}{}", &BASE[..at], pieces.concat(), &BASE[end..]));
    }
}

#[test]
fn faults_stand_in_the_file_and_are_sorted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let checked = runner.run(&vec(piece(), 1..30), |pieces| {
        let file = format!("{BASE}{}", pieces.concat());
        let Err(faults) = try_read(&file) else { return Ok(()) };
        let places: Vec<_> = faults.kept.iter().map(|fault| fault.place).collect();
        prop_assert!(places.is_sorted());
        // Next lines are also begun by a carriage return.
        let lines = file.matches(['\n', '\r']).count() + 1;
        for place in places {
            prop_assert!((1..=lines + 1).contains(&place.line) && place.column >= 1, "{:?}", place);
        }
        Ok(())
    });
    checked.unwrap();
}
