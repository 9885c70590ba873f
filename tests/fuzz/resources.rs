//! Patterns of resources, by the definition of what they match.

use keyward::domain::resource::{Grammar, LEN_MAX, Path, Pattern, SEGMENTS_MAX};

use crate::definition::{is_inside, is_path, is_pattern, matches};

/// A name that no pattern has: no input with it is looked at.
const FREE: &str = "\u{10fffd}";

/// Whether a text keeps the bounds of size, which the definition does not tell of.
fn is_small(grammar: &Grammar, text: &str) -> bool {
    let separators = text.matches(grammar.separator()).count();
    // The separator alone is one segment.
    let segments = if text.chars().eq([grammar.separator()]) { 1 } else { separators + 1 };
    text.len() <= LEN_MAX && segments <= SEGMENTS_MAX && !text.contains(char::is_control)
}

/// A pattern of a grant or of a constraint, and which resources the definition has it match.
struct Sample<'a> {
    text: &'a str,
    pattern: Pattern,
    is_bound: bool,
}

impl<'a> Sample<'a> {
    /// The patterns of a text, where it is one.
    fn both(grammar: &Grammar, text: &'a str) -> Vec<Self> {
        let expected = is_pattern(grammar, text) && is_small(grammar, text);
        let of_grant = Pattern::parse(grammar, text);
        let of_bound = Pattern::parse_constraint(grammar, text);
        assert_eq!((of_grant.is_ok(), of_bound.is_ok()), (expected, expected), "{text:?}");
        let sample = |pattern: Pattern, is_bound| Self { text, pattern, is_bound };
        let samples = [of_grant.map(|it| sample(it, false)), of_bound.map(|it| sample(it, true))];
        let samples: Vec<_> = samples.into_iter().flatten().collect();
        for Sample { pattern, .. } in &samples {
            assert_eq!((pattern.as_str(), pattern.to_string()), (text, text.to_owned()));
        }
        samples
    }

    /// Whether it matches, as it must.
    #[track_caller]
    fn reaches(&self, grammar: &Grammar, resource: Option<&str>) -> bool {
        let by_definition = if self.is_bound { is_inside } else { matches };
        let path = resource.map(|resource| Path::parse(grammar, resource).unwrap());
        let found = self.pattern.matches(path.as_ref());
        assert_eq!(
            found,
            by_definition(grammar, self.text, resource),
            "{} {resource:?}",
            self.text
        );
        found
    }

    /// Resources in which each part that is free is one that no pattern names, with so many more after it.
    fn instance(&self, grammar: &Grammar, more: usize) -> Option<String> {
        let separator = grammar.separator().to_string();
        let text = self.text.strip_suffix("**").filter(|text| !text.is_empty());
        let text = text.map_or(self.text, |text| text.trim_end_matches(&separator));
        let wildcard = grammar.wildcard().to_string();
        let free = |segment| if segment == wildcard { FREE } else { segment };
        let names = text.split(&separator).map(free).chain((0..more).map(|_| FREE));
        let name = names.collect::<Vec<_>>().join(&separator);
        // The root.
        let name = if name.is_empty() { separator } else { name };
        Path::parse(grammar, &name).is_ok().then_some(name)
    }
}

/// That one pattern covers another exactly where it reaches all that the other does.
fn check_covers(grammar: &Grammar, ours: &Sample<'_>, theirs: &Sample<'_>, resources: &[&str]) {
    let covers = ours.pattern.covers(&theirs.pattern);
    let shown = || {
        format!("{:?} {:?} {covers}", (ours.text, ours.is_bound), (theirs.text, theirs.is_bound))
    };
    for resource in std::iter::once(None).chain(resources.iter().map(|it| Some(*it))) {
        let is_left_out = theirs.reaches(grammar, resource) && !ours.reaches(grammar, resource);
        assert!(!covers || !is_left_out, "{} {resource:?}", shown());
    }
    let instances: Vec<_> = (0..3).filter_map(|more| theirs.instance(grammar, more)).collect();
    let reached: Vec<_> = instances.iter().filter(|it| theirs.reaches(grammar, Some(it))).collect();
    if covers {
        assert!(reached.iter().all(|it| ours.reaches(grammar, Some(it))), "{}", shown());
    } else if instances.len() == 3 && theirs.text != "*" {
        // What is not covered is shown by a resource that is as free as the pattern.
        assert!(!reached.iter().all(|it| ours.reaches(grammar, Some(it))), "{}", shown());
    }
}

/// Two characters that make a grammar, and a line each: two patterns, then resources.
pub(crate) fn target(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if text.len() > 4 * LEN_MAX || text.contains(FREE) {
        return;
    }
    let mut characters = text.chars();
    let Some((separator, wildcard)) = characters.next().zip(characters.next()) else { return };
    let is_grammar = separator.is_ascii_punctuation()
        && wildcard.is_ascii_punctuation()
        && separator != wildcard
        && separator != '*';
    let grammar = Grammar::new(separator, wildcard);
    assert_eq!(grammar.is_ok(), is_grammar, "{separator:?} {wildcard:?}");
    let Ok(grammar) = grammar else { return };
    let lines: Vec<&str> = characters.as_str().split('\n').take(8).collect();
    for line in &lines {
        let expected = is_path(&grammar, line) && is_small(&grammar, line);
        assert_eq!(Path::parse(&grammar, line).is_ok(), expected, "{line:?}");
    }
    let resources: Vec<&str> =
        lines.iter().copied().filter(|line| Path::parse(&grammar, line).is_ok()).collect();
    let samples: Vec<_> =
        lines.iter().take(2).flat_map(|line| Sample::both(&grammar, line)).collect();
    for sample in &samples {
        sample.reaches(&grammar, None);
        for resource in &resources {
            sample.reaches(&grammar, Some(resource));
        }
        for other in &samples {
            check_covers(&grammar, sample, other, &resources);
        }
    }
}
