//! A policy as a message, as JSON and as a file is the same policy.

use keyward::proto::{
    ExpiryRule, Implication, KeyType, Plan, Policy, Preset, RateLimit, ResourceGrammar,
    ResourceSegment, ResourceType, Role, RotationRule, Scope, UnmatchedResource,
};
use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use crate::{
    schema::VALIDATOR,
    support::{LANGUAGE, try_read},
};

/// Names of which some look like something else in YAML.
const NAMES: [&str; 12] =
    ["a:read", "a:write", "b:read", "b:write", "1", "true", "null", "1e3", "0x1", "-", "no", "*"];

/// Texts for people, of all that may be in them.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~éßñ€😀]{0,30}",
        proptest::sample::select(vec![
            "", "5", "true", "~", "- a", "a: b", "# a", "{x}", "[a]", "*a", "&a", "!a", "'", "\"",
            "\\", "%", "@", " a ", "---",
        ])
        .prop_map(str::to_owned),
    ]
}

fn span() -> impl Strategy<Value = prost_types::Duration> {
    (1..31_622_400_i64, prop_oneof![Just(0), 0..1_000_000_000_i32])
        .prop_map(|(seconds, nanos)| prost_types::Duration { seconds, nanos })
}

fn scopes() -> impl Strategy<Value = Vec<Scope>> {
    let names = subsequence(NAMES.to_vec(), 1..NAMES.len());
    (names, words(), vec(any::<(bool, bool)>(), NAMES.len())).prop_map(|(names, words, flags)| {
        let mut scopes: Vec<Scope> = Vec::new();
        for (name, (isolated, implies)) in names.into_iter().zip(flags) {
            // Only what stands before it is implied: no circles.
            let before = scopes
                .first()
                .filter(|first| !first.isolated && implies && !isolated && !name.contains('*'));
            scopes.push(Scope {
                name: name.to_owned(),
                description: words.clone(),
                implies: before.map(|first| first.name.clone()).into_iter().collect(),
                isolated,
                class: if implies { "write".into() } else { String::new() },
            });
        }
        scopes
    })
}

fn limits() -> impl Strategy<Value = Vec<RateLimit>> {
    let one = (1..1_000_000_000_i64, span(), 0..1_000_000_000_i64, any::<bool>());
    vec(one, 0..3).prop_map(|limits| {
        let limit = |(at, (quota, window, burst, class)): (usize, (i64, _, i64, bool))| RateLimit {
            name: format!("l{at}"),
            class: if class { "read".into() } else { String::new() },
            quota,
            window: Some(window),
            burst,
        };
        limits.into_iter().enumerate().map(limit).collect()
    })
}

fn resources() -> impl Strategy<Value = ResourceGrammar> {
    let types = vec(vec("[a-z]{1,5}", 0..3), 0..3);
    (any::<bool>(), types).prop_map(|(dots, types)| ResourceGrammar {
        separator: if dots { ".".into() } else { String::new() },
        wildcard: if dots { "#".into() } else { String::new() },
        types: (types.into_iter().enumerate())
            .map(|(at, segments)| ResourceType {
                name: format!("T{at}"),
                segments: (segments.into_iter().enumerate())
                    .map(|(at, value)| ResourceSegment {
                        name: format!("s{at}"),
                        values: vec![value],
                    })
                    .collect(),
            })
            .collect(),
    })
}

/// What has nothing to do with scopes.
fn rest() -> impl Strategy<Value = Policy> {
    let spans = (option::of(span()), option::of(span()), option::of(span()));
    let plans = vec((limits(), limits(), words()), 0..3);
    let resources = option::of(resources());
    (words(), resources, spans, any::<(bool, bool, bool)>(), plans, 0..3_i32).prop_map(
        |(title, resources, (one, two, three), (required, hide, rule), plans, unmatched)| {
            let longest = |a: Option<prost_types::Duration>, b: Option<prost_types::Duration>| {
                let nanos = |span: &prost_types::Duration| (span.seconds, span.nanos);
                a.zip(b).map(|(a, b)| if nanos(&a) < nanos(&b) { (a, b) } else { (b, a) })
            };
            let ttl = longest(one, two);
            let grace = longest(two, three);
            Policy {
                display_name: title.trim().to_owned(),
                resources,
                expiry: rule.then_some(ExpiryRule {
                    default_ttl: ttl.map(|(least, _)| least),
                    max_ttl: ttl.map(|(_, most)| most),
                    required,
                }),
                rotation: rule.then_some(RotationRule {
                    due_after: one,
                    default_grace: grace.map(|(least, _)| least),
                    max_grace: grace.map(|(_, most)| most),
                }),
                hide_existence: hide,
                unmatched_resource: UnmatchedResource::try_from(unmatched).unwrap().into(),
                plans: (plans.into_iter().enumerate())
                    .map(|(at, (key_limits, workspace_limits, description))| Plan {
                        name: format!("p{at}"),
                        description,
                        key_limits,
                        workspace_limits,
                    })
                    .collect(),
                ..Policy::default()
            }
        },
    )
}

fn policies() -> impl Strategy<Value = Policy> {
    (scopes(), rest(), words()).prop_map(|(scopes, rest, words)| {
        let open = scopes.iter().find(|scope| !scope.isolated && scope.implies.is_empty());
        let names: Vec<String> = scopes.iter().map(|scope| scope.name.clone()).collect();
        let pair = ["a:write", "a:read"].iter().all(|name| names.iter().any(|known| known == name));
        let implies_write = scopes.iter().any(|scope| scope.implies == ["a:write"]);
        let rule = Implication { scope: "{x}:write".into(), implies: vec!["{x}:read".into()] };
        Policy {
            implications: (pair && !implies_write).then_some(rule).into_iter().collect(),
            presets: (open.map(|scope| Preset {
                name: "p".into(),
                description: words.clone(),
                scopes: vec![scope.name.clone()],
            }))
            .into_iter()
            .collect(),
            roles: vec![Role {
                name: "r".into(),
                description: words.clone(),
                scopes: names,
                principal_kinds: vec![1, 3],
            }],
            key_types: vec![KeyType {
                principal_kinds: vec![2],
                name: "live".into(),
                description: words,
                prefix: "live".into(),
                requires_principal: rest.hide_existence,
                is_default: true,
            }],
            scopes,
            ..rest
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_printed_as_json_is_read_as_it_was(policy in policies()) {
        let json = LANGUAGE.json("Policy", &policy).unwrap();
        let read = match try_read(&json) {
            Ok(read) => read,
            // A title or text that no policy may have; the others are all right.
            Err(faults) => {
                let of_texts = |field: &str| field.ends_with("display_name") || field.ends_with("description");
                prop_assert!(faults.kept.iter().all(|fault| of_texts(&fault.field)), "{:#?}\n{}", faults, json);
                return Err(TestCaseError::reject("a text that no policy may have"));
            }
        };
        prop_assert_eq!(&read.message, &policy, "{}", json);
        let refused = VALIDATOR.validate(&serde_json::from_str(&json).unwrap()).err().map(|error| error.to_string());
        prop_assert_eq!(refused, None);
        let again = try_read(LANGUAGE.json("Policy", &read.message).unwrap()).unwrap();
        prop_assert_eq!(again.policy.document(), read.policy.document());
    }
}
