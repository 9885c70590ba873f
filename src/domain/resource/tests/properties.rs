use proptest::prelude::*;

use super::*;

/// Every path of up to four segments over three names, of which no pattern below knows `z`, with and
/// without the leading separator. No pattern has more than three segments, so that four are enough.
fn universe() -> Vec<String> {
    let mut paths = vec!["/".to_owned()];
    let mut layer = vec![String::new()];
    for _ in 0..4 {
        layer = layer
            .iter()
            .flat_map(|path| ["a", "b", "z"].map(|name| format!("{path}/{name}")))
            .collect();
        paths.extend(layer.iter().cloned());
        paths.extend(layer.iter().filter_map(|path| path.strip_prefix('/')).map(str::to_owned));
    }
    paths
}

/// What a pattern reaches by the words of its documentation, with lists of segments and recursion.
fn oracle(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        (["**"], _) | ([], []) => true,
        ([first, pattern @ ..], [name, path @ ..]) => {
            (first == name || (*first == "*" && !name.is_empty())) && oracle(pattern, path)
        }
        _ => false,
    }
}

fn split(text: &str) -> Vec<&str> {
    if text == "/" { vec![""] } else { text.split('/').collect() }
}

/// Patterns of up to three segments over `a`, `b` and the wildcard.
fn patterns() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just("*".to_owned()),
        1 => Just("/".to_owned()),
        1 => Just("/**".to_owned()),
        20 => "/?[ab*](/[ab*]){0,2}(/\\*\\*)?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn matches_agrees_with_the_oracle(text in patterns()) {
        let pattern = pattern(&text);
        for path in universe() {
            let expected = text == "*" || oracle(&split(&text), &split(&path));
            let path = Path::parse(&Grammar::default(), &path).unwrap();
            prop_assert_eq!(pattern.matches(Some(&path)), expected, "{} {:?}", text, path);
        }
    }

    #[test]
    fn covers_agrees_with_brute_force(ours in patterns(), theirs in patterns()) {
        let (ours, theirs) = (pattern(&ours), pattern(&theirs));
        let every = universe().iter().all(|path| {
            let path = Path::parse(&Grammar::default(), path).unwrap();
            !theirs.matches(Some(&path)) || ours.matches(Some(&path))
        });
        let expected = every && (!theirs.matches(None) || ours.matches(None));
        prop_assert_eq!(ours.covers(&theirs), expected, "{} covers {}", ours, theirs);
    }
}
