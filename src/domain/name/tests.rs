#![expect(clippy::unwrap_used, reason = "tests")]
use super::*;

#[track_caller]
fn id(text: &str, good: bool) {
    assert_eq!(text.parse::<Id>().is_ok(), good, "{text:?}");
}

#[test]
fn identifiers_are_labels() {
    for good in
        ["a", "0", "acme", "a-b", "a--b", &"a".repeat(63), "01990e0c-7b6f-7000-8000-000000000000"]
    {
        id(good, true);
    }
    for bad in
        ["", "-", "-a", "a-", "A", "a_b", "a.b", "a/b", "a b", " a", "ä", "a\0", &"a".repeat(64)]
    {
        id(bad, false);
    }
}

#[test]
fn names_read_as_they_are_written() {
    for text in
        ["workspaces/acme/keys/ci", "workspaces/w/keys/01990e0c-7b6f-7000-8000-000000000000"]
    {
        assert_eq!(text.parse::<KeyName>().unwrap().to_string(), text);
    }
    assert_eq!("policies/acme".parse::<PolicyName>().unwrap().to_string(), "policies/acme");
}

#[test]
fn names_of_another_form_are_refused() {
    for bad in [
        "",
        "/",
        "workspaces",
        "workspaces/",
        "workspaces/acme",
        "workspaces/acme/keys",
        "workspaces/acme/keys/",
        "workspaces/acme/keys/ci/",
        "/workspaces/acme/keys/ci",
        "workspaces//keys/ci",
        "workspaces/acme/Keys/ci",
        "workspaces/acme/principals/ci",
        "workspaces/acme/keys/ci/keys/ci",
        "workspaces/acme/keys/../ci",
    ] {
        assert!(bad.parse::<KeyName>().is_err(), "{bad:?}");
    }
}

#[test]
fn an_error_repeats_only_the_beginning_of_a_huge_name() {
    let error = "x".repeat(1_000_000).parse::<KeyName>().unwrap_err();
    assert!(error.to_string().len() < 300);
}

#[track_caller]
fn title(text: &str, expected: Result<&str, InvalidTitle>) {
    assert_eq!(text.parse::<Title>().map(|title| title.0), expected.map(str::to_owned), "{text:?}");
}

#[test]
fn titles_are_trimmed_and_normalised() {
    title("  CI deploy ", Ok("CI deploy"));
    title("Cafe\u{301}", Ok("Caf\u{e9}"));
    title("", Ok(""));
    title(&"é".repeat(100), Ok(&"é".repeat(100)));
}

#[test]
fn titles_that_are_long_or_mislead_are_refused() {
    title(&"é".repeat(101), Err(InvalidTitle::TooLong));
    title(&"x".repeat(1 << 20), Err(InvalidTitle::TooLong));
    for (text, character) in [
        ("a\u{202e}b", '\u{202e}'),
        ("a\0b", '\0'),
        ("a\nb", '\n'),
        ("a\u{7f}b", '\u{7f}'),
        ("a\u{2066}b", '\u{2066}'),
    ] {
        title(text, Err(Misleading { character, position: 1 }.into()));
    }
}
