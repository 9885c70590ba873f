//! Whether one pattern covers another, against all paths there are.

use keyward::domain::resource::{Grammar, Path, Pattern};

use crate::rules::resources::{is_inside, is_path, is_pattern, matches};

/// The longest pattern, without what stands for a subtree. Paths are one longer.
const LENGTH_MAX: usize = 3;

#[test]
fn a_pattern_covers_what_reaches_nothing_else_with_one_asterisk_for_a_segment() {
    check(&Grammar::new('/', '*').unwrap());
}

#[test]
fn a_pattern_covers_what_reaches_nothing_else_with_a_hash_for_a_segment() {
    check(&Grammar::new('/', '#').unwrap());
}

/// A pattern as the engine has it, and whether the definition has it match each path.
struct Sample {
    shown: String,
    pattern: Pattern,
    reach: Vec<bool>,
}

#[track_caller]
fn check(grammar: &Grammar) {
    let wildcard = grammar.wildcard().to_string();
    let paths = paths();
    let mut samples = vec![];
    for text in patterns(&wildcard) {
        assert!(is_pattern(grammar, &text), "{text}");
        let resources =
            || std::iter::once(None).chain(paths.iter().map(|path| Some(path.as_str())));
        samples.push(Sample {
            shown: format!("{text} of a grant"),
            pattern: Pattern::parse(grammar, &text).unwrap(),
            reach: resources().map(|resource| matches(grammar, &text, resource)).collect(),
        });
        samples.push(Sample {
            shown: format!("{text} of a constraint"),
            pattern: Pattern::parse_constraint(grammar, &text).unwrap(),
            reach: resources().map(|resource| is_inside(grammar, &text, resource)).collect(),
        });
    }
    for Sample { shown, pattern, reach } in &samples {
        let none = std::iter::once(pattern.matches(None));
        let found = paths.iter().map(|path| {
            assert!(is_path(grammar, path), "{path}");
            pattern.matches(Some(&Path::parse(grammar, path).unwrap()))
        });
        let found: Vec<bool> = none.chain(found).collect();
        assert_eq!(found, *reach, "{shown}");
    }
    let mut covered = 0;
    for our in &samples {
        for their in &samples {
            let expected = their.reach.iter().zip(&our.reach).all(|(their, our)| !their || *our);
            assert_eq!(
                our.pattern.covers(&their.pattern),
                expected,
                "{} covers {}",
                our.shown,
                their.shown
            );
            covered += usize::from(expected);
        }
    }
    let pairs = samples.len() * samples.len();
    println!("{} patterns, {} paths, {covered} of {pairs} covered", samples.len(), paths.len());
    assert!(covered * 50 > pairs && covered * 2 < pairs, "{covered} of {pairs}");
}

/// All lists of these names, up to a length, with and without a leading separator.
fn spelled(names: &[&str], length_max: usize) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    let mut last = vec![String::new()];
    for _ in 0..length_max {
        let longer = |text: &String| names.iter().map(|name| format!("{text}/{name}")).collect();
        last = last.iter().flat_map::<Vec<String>, _>(longer).collect();
        all.extend(last.clone());
        all.extend(last.iter().map(|text| text[1..].to_owned()));
    }
    all.push("/".to_owned());
    all
}

/// A path may have a name that no pattern has.
fn paths() -> Vec<String> {
    spelled(&["a", "ab", "c"], LENGTH_MAX + 1)
}

fn patterns(wildcard: &str) -> Vec<String> {
    let plain = spelled(&["a", "ab", wildcard], LENGTH_MAX);
    let beneath = plain.iter().map(|text| format!("{}/**", text.trim_end_matches('/')));
    // Alone, `*` is everything in every grammar.
    plain.iter().cloned().chain(beneath).chain(["*".to_owned()]).collect()
}
