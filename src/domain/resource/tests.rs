#![expect(clippy::unwrap_used, reason = "tests")]

mod properties;

use super::*;

fn hashes() -> Grammar {
    Grammar::new('/', '#').unwrap()
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(&Grammar::default(), text).unwrap()
}

fn constraint(text: &str) -> Pattern {
    Pattern::parse_constraint(&Grammar::default(), text).unwrap()
}

#[track_caller]
fn check(pattern: &Pattern, inside: &[&str], outside: &[&str]) {
    let reaches = |text: &str| {
        let path = Path::parse(&Grammar::default(), text).unwrap();
        pattern.matches(Some(&path))
    };
    for text in inside {
        assert!(reaches(text), "{pattern} should reach {text}");
    }
    for text in outside {
        assert!(!reaches(text), "{pattern} should not reach {text}");
    }
}

#[track_caller]
fn check_refused(grammar: &Grammar, text: &str, refusal: InvalidPattern) {
    assert_eq!(Pattern::parse(grammar, text), Err(refusal), "{text:?}");
    assert_eq!(Pattern::parse_constraint(grammar, text), Err(refusal), "{text:?}");
}

#[test]
fn a_plain_pattern_reaches_itself_alone() {
    check(
        &pattern("sites/a"),
        &["sites/a"],
        &["sites", "sites/b", "sites/a/x", "sites/aa", "Sites/a", "/sites/a"],
    );
}

#[test]
fn a_wildcard_is_exactly_one_segment() {
    check(
        &pattern("sites/*/jobs"),
        &["sites/a/jobs", "sites/b/jobs"],
        &["sites/jobs", "sites/a/b/jobs", "sites/a/jobs/1"],
    );
    check(&pattern("*/*"), &["a/b"], &["a", "a/b/c", "/a", "/"]);
}

#[test]
fn a_subtree_is_its_root_and_everything_beneath() {
    check(
        &pattern("sites/**"),
        &["sites", "sites/a", "sites/a/b"],
        &["sites2", "sites2/a", "site", "/sites"],
    );
    check(
        &pattern("/john/**"),
        &["/john", "/john/x"],
        &["/johnathan", "/johnathan/x", "john", "/"],
    );
    check(&pattern("sites/*/**"), &["sites/a", "sites/a/b"], &["sites", "sites2/a"]);
    check(&pattern("/**"), &["/", "/a", "/a/b"], &["a", "a/b"]);
}

#[test]
fn dots_are_names() {
    check(&pattern("a/.."), &["a/.."], &["a/b", "a"]);
}

#[test]
fn only_everything_reaches_a_request_without_resource() {
    assert!(pattern("*").matches(None));
    check(&pattern("*"), &["a", "/", "/a/b/c"], &[]);
    for text in ["/**", "*/**", "a", "/", "*/*"] {
        assert!(!pattern(text).matches(None), "{text}");
    }
    assert!(constraint("*").matches(None));
    assert!(!constraint("/").matches(None));
}

#[test]
fn a_plain_constraint_is_its_subtree() {
    check(&constraint("sites/a"), &["sites/a", "sites/a/b"], &["sites", "sites/aa", "sites/b"]);
    check(&constraint("/john"), &["/john", "/john/x"], &["/johnathan", "/"]);
    check(&constraint("/"), &["/", "/a"], &["a"]);
    check(&constraint("sites/**"), &["sites", "sites/a"], &["sites2"]);
    check(&constraint("sites/*"), &["sites/a"], &["sites", "sites/a/b"]);
    assert_eq!(constraint("sites/a").to_string(), "sites/a");
}

#[test]
fn the_things_of_one_site_are_reached_and_nothing_else() {
    let things = Pattern::parse(&hashes(), "PLACE/Site/s1/THING/#/#").unwrap();
    let reaches = |text| things.matches(Some(&Path::parse(&hashes(), text).unwrap()));
    assert!(reaches("PLACE/Site/s1/THING/Charger/7"));
    assert!(!reaches("PLACE/Site/s1"));
    assert!(!reaches("PLACE/Site/s2/THING/Charger/7"));
    assert!(!reaches("PLACE/Site/s1/THING/Charger"));
}

#[test]
fn with_another_wildcard_a_star_keeps_its_two_meanings_and_gets_no_third() {
    assert!(Pattern::parse(&hashes(), "*").unwrap().matches(None));
    let path = Path::parse(&hashes(), "a/b").unwrap();
    assert!(Pattern::parse(&hashes(), "a/**").unwrap().matches(Some(&path)));
    assert!(Pattern::parse(&hashes(), "#/#").unwrap().matches(Some(&path)));
    assert!(!Pattern::parse(&hashes(), "#").unwrap().matches(Some(&path)));
    check_refused(&hashes(), "a/*", InvalidPattern::OtherWildcard('#'));
    check_refused(&hashes(), "a/x*", InvalidPattern::PartOfSegment('*'));
    check_refused(&hashes(), "a/##", InvalidPattern::PartOfSegment('#'));
}

#[test]
fn misplaced_wildcards_are_refused() {
    let grammar = Grammar::default();
    check_refused(&grammar, "foo*", InvalidPattern::PartOfSegment('*'));
    check_refused(&grammar, "a/*b/c", InvalidPattern::PartOfSegment('*'));
    check_refused(&grammar, "a/***", InvalidPattern::PartOfSegment('*'));
    check_refused(&grammar, "a/**/b", InvalidPattern::SubtreeNotLast);
    check_refused(&grammar, "a/**/**", InvalidPattern::SubtreeNotLast);
    check_refused(&grammar, "**", InvalidPattern::SubtreeNotLast);
    assert!(Pattern::parse(&grammar, "a/#").is_ok());
}

#[test]
fn bounds_hold_for_paths_and_patterns_alike() {
    let grammar = Grammar::default();
    let check = |text: &str, expected: Result<(), InvalidPath>| {
        assert_eq!(Path::parse(&grammar, text).map(|_| ()), expected, "{text:?}");
        let expected = expected.map_err(InvalidPattern::from);
        assert_eq!(Pattern::parse(&grammar, text).map(|_| ()), expected, "{text:?}");
    };
    let segments = |count| vec!["a"; count].join("/");
    check("", Err(InvalidPath::Empty));
    for text in ["a/", "//", "//a", "a//b", "/a/"] {
        check(text, Err(InvalidPath::EmptySegment('/')));
    }
    for text in ["a\n", "a\0b", "a/\u{85}", "\u{7f}"] {
        check(text, Err(InvalidPath::ControlCharacter));
    }
    check(&"a".repeat(LEN_MAX), Ok(()));
    check(&"a".repeat(LEN_MAX + 1), Err(InvalidPath::TooLong));
    check(&segments(SEGMENTS_MAX), Ok(()));
    check(&segments(SEGMENTS_MAX + 1), Err(InvalidPath::TooManySegments));
    check("größe/ a", Ok(()));
}

#[test]
fn a_path_is_concrete() {
    for text in ["*", "a/*", "a/**", "**"] {
        assert_eq!(Path::parse(&Grammar::default(), text), Err(InvalidPath::Wildcard));
        assert_eq!(Path::parse(&hashes(), text), Err(InvalidPath::Wildcard));
    }
    assert_eq!(Path::parse(&hashes(), "a/#"), Err(InvalidPath::Wildcard));
    assert!(Path::parse(&Grammar::default(), "a/#").is_ok());
    assert!(Path::parse(&Grammar::default(), "a/b*").is_ok());
}

#[test]
fn grammars_are_unambiguous() {
    assert_eq!(Grammar::new('a', '*'), Err(InvalidGrammar::NotPunctuation("separator")));
    assert_eq!(Grammar::new('/', ' '), Err(InvalidGrammar::NotPunctuation("wildcard")));
    assert_eq!(Grammar::new('/', '/'), Err(InvalidGrammar::Ambiguous));
    assert_eq!(Grammar::new('*', '#'), Err(InvalidGrammar::Ambiguous));
    let read = |json| serde_json::from_str::<Grammar>(json);
    assert_eq!(read("{}").unwrap(), Grammar::default());
    assert_eq!(read(r##"{"wildcard":"#"}"##).unwrap(), hashes());
    let json = serde_json::to_string(&hashes()).unwrap();
    assert_eq!(read(&json).unwrap(), hashes());
    assert!(read(r#"{"wildcard":"/"}"#).is_err());
    assert!(read(r#"{"wild":"/"}"#).is_err());
}

#[test]
fn covering_knows_everything_and_nothing() {
    assert!(pattern("*").covers(&pattern("/**")));
    assert!(!pattern("/**").covers(&pattern("*")));
    assert!(!pattern("*/**").covers(&pattern("*")));
    assert!(pattern("a/*/**").covers(&constraint("a/b")));
    assert!(!pattern("a/b").covers(&constraint("a/b")));
    assert!(!pattern("*/**").covers(&pattern("/a")));
}
