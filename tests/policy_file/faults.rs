//! Each kind of fault, with its place and text.

use crate::support::{BASE, faults, try_read, wrong, wrong_more};

const ALIAS: &str = "an unquoted * begins an alias in YAML: write globs in quotes, \"*:read\"";

#[test]
fn an_asterisk_without_quotes() {
    wrong_more(
        "roles:\n- {name: r, scopes: [*:read]}\n",
        &[&format!("8:22: roles[0].scopes[0]: {ALIAS}")],
    );
    wrong_more(
        "roles:\n- {name: r, scopes: [*]}\n",
        &[&format!("8:22: roles[0].scopes[0]: {ALIAS}")],
    );
    wrong_more("display_name: *\n", &[&format!("7:15: display_name: {ALIAS}")]);
    wrong_more("*a : b\n", &[&format!("7:1: [\"\"]: {ALIAS}")]);
    let many = "roles:\n- name: r\n  scopes:\n  - *\n  - *:read\n  - *\n  - a*\n";
    wrong_more(
        many,
        &[
            &format!("10:5: roles[0].scopes[0]: {ALIAS}"),
            &format!("11:5: roles[0].scopes[1]: {ALIAS}"),
            &format!("12:5: roles[0].scopes[2]: {ALIAS}"),
        ],
    );
}

#[test]
fn a_file_that_is_read_may_still_be_too_large_to_be_kept() {
    let description = "x".repeat(160);
    let scope = |number| format!("- {{name: s{number:04}, description: {description}}}\n");
    let file = |count: usize| {
        let scopes: String = (0..count).map(scope).collect();
        format!("scopes:\n{scopes}key_types: [{{name: a, prefix: aa, is_default: true}}]\n")
    };
    assert!(try_read(file(4_000)).is_ok());
    let [fault] = faults(file(5_000)).try_into().unwrap();
    assert!(fault.starts_with("1:1: is ") && fault.ends_with("at most 1048576 are allowed"));
}

#[test]
fn an_alias_that_has_an_anchor() {
    let anchor = "an unquoted & begins an anchor in YAML, which a policy file has not; write texts in quotes";
    wrong_more(
        "roles:\n- {name: &x r}\n- {name: *x }\n",
        &[&format!("8:10: roles[0].name: {anchor}"), &format!("9:10: roles[1].name: {ALIAS}")],
    );
    wrong_more("display_name: & x\n", &[&format!("7:15: {anchor}")]);
}

#[test]
fn tags_and_merge_keys() {
    let tag =
        "an unquoted ! begins a tag in YAML, which a policy file has not; write texts in quotes";
    wrong_more("display_name: !!str 5\n", &[&format!("7:15: display_name: {tag}")]);
    wrong_more("roles: !x []\n", &[&format!("7:8: roles: {tag}")]);
    wrong_more(
        "expiry:\n  <<: {required: true}\n",
        &[
            "8:3: expiry[\"<<\"]: is a merge key, which a policy file has not; write out what it has",
        ],
    );
}

#[test]
fn keys_that_are_there_twice_or_are_no_texts() {
    wrong_more("scopes: []\n", &["7:1: scopes: is there already, in line 1"]);
    wrong_more(
        "expiry:\n  required: true\n  required: yes\n",
        &[
            "9:3: expiry.required: is there already, in line 8",
            "9:13: expiry.required: must be true or false",
        ],
    );
    let key = "a key is a text; what begins with {, [ or ? is none: write texts in quotes";
    wrong_more("{x}: 1\n", &[&format!("7:1: [\"\"]: {key}")]);
    wrong_more("? [a]\n: 1\n", &[&format!("7:3: [\"\"]: {key}")]);
}

#[test]
fn documents_that_are_none() {
    let empty = "1:1: is empty; a policy has at least scopes and key_types";
    for file in ["", " \n", "# a comment\n", "---\n", "---\n...\n", "~", "null\n"] {
        wrong(file, &[empty]);
    }
    for file in ["a", "[a]", "- a", "1", "\"\""] {
        wrong(file, &["1:1: must be a mapping with keys such as scopes"]);
    }
    let second = "a second document begins; a file has one policy";
    wrong(&format!("{BASE}---\n"), &[&format!("7:1: {second}")]);
    wrong(&format!("{BASE}---\n{BASE}"), &[&format!("7:1: {second}")]);
    wrong("---\n---\n", &[&format!("2:1: {second}")]);
    wrong("{}", &["1:1: key_types: is missing", "1:1: scopes: is missing"]);
}

#[test]
fn what_is_no_yaml() {
    wrong_more("roles:\n\t- name: r\n", &["8:2: is no YAML: a tab does not indent; write spaces"]);
    for (file, place) in
        [("a: [", "2:1: "), ("a: b: c", "1:"), ("a: \"b", "1:4: "), ("a: 1\n b: 2", "2:")]
    {
        let faults = faults(file);
        assert!(faults.len() == 1 && faults[0].starts_with(place), "{file}: {faults:?}");
        assert!(faults[0].contains("is no YAML: "), "{file}: {faults:?}");
    }
    wrong_more("display_name: @a\n", &["7:15: no text begins with @ in YAML: write it in quotes"]);
    wrong_more("display_name: `a\n", &["7:15: no text begins with ` in YAML: write it in quotes"]);
    assert_eq!(faults(b"a: 1\nb: \xc3\xa9 \xff"), ["2:6: is not UTF-8"]);
    assert_eq!(faults([0xff, 0xfe, b'a', 0]), ["1:1: is not UTF-8"]);
}

#[test]
fn a_form_without_quotes() {
    let form = "an unquoted { begins a mapping in YAML: write forms in quotes, \"{x}:write\"";
    wrong_more("implications:\n- scope: {x}:write\n", &[&format!("8:13: {form}")]);
    let key = "a key is a text; what begins with {, [ or ? is none: write texts in quotes";
    let text = "must be a text, not a mapping; write texts with { or a colon and a space in quotes";
    wrong_more(
        "implications:\n- scope: \"{x}\"\n  implies: [{x}:read]\n",
        &[
            &format!("9:13: implications[0].implies[0]: {text}"),
            &format!("9:13: implications[0].implies[0][\"\"]: {key}"),
        ],
    );
}

#[test]
fn what_is_too_large_or_too_deep() {
    let large = |size: usize| format!("{BASE}#{}", "x".repeat(size - BASE.len() - 1));
    wrong(&large(1_048_577), &["1:1: is larger than 1048576 bytes"]);
    assert!(crate::support::try_read(large(1_048_576)).is_ok());
    let nested = |levels: usize| format!("a: {}{}", "[".repeat(levels), "]".repeat(levels));
    wrong(&nested(16), &["1:19: is nested deeper than 16 levels"]);
    assert!(!faults(nested(15)).iter().any(|fault| fault.contains("deeper")));
    assert!(faults("[".repeat(100_000))[0].ends_with("is nested deeper than 16 levels"));
    assert!(faults("- ".repeat(100_000))[0].ends_with("is nested deeper than 16 levels"));
}

#[test]
fn unknown_keys_come_with_the_nearest() {
    wrong_more(
        "display_nam: x\n",
        &["7:1: display_nam: there is no such key here; did you mean display_name?"],
    );
    wrong_more(
        "hideExistence: true\n",
        &["7:1: hideExistence: there is no such key here; did you mean hide_existence?"],
    );
    wrong_more(
        "expiry:\n  zzzzzzzzzz: 1\n",
        &[
            "8:3: expiry.zzzzzzzzzz: there is no such key here; there are default_ttl, max_ttl, required",
        ],
    );
    wrong_more(
        "name: policies/x\n",
        &["7:1: name: is no part of a policy file: Keyward sets it; leave it out"],
    );
    for field in ["etag", "revision", "create_time", "update_time"] {
        let fault =
            format!("7:1: {field}: is no part of a policy file: Keyward sets it; leave it out");
        wrong_more(&format!("{field}: x\n"), &[&fault]);
    }
}

#[test]
fn what_an_unknown_key_holds_is_read_as_what_was_meant() {
    wrong(
        "scops:\n- nam: a\n  implies: [b]\nkey_types:\n- {name: l, prefix: live, is_default: true}\n",
        &[
            "1:1: scops: there is no such key here; did you mean scopes?",
            "2:3: scops[0].nam: there is no such key here; did you mean name?",
            "3:13: scopes[0].implies[0]: the policy has no scope \"b\"; did you mean \"a\"?",
        ],
    );
}

#[test]
fn texts_that_are_something_else() {
    let wanted = |what, text| {
        format!(
            "7:15: display_name: must be a text, not {what}; write texts that look like something else in quotes: \"{text}\""
        )
    };
    for (written, what) in
        [("5", "a number"), ("1e3", "a number"), ("true", "a truth value"), (".inf", "a number")]
    {
        wrong_more(&format!("display_name: {written}\n"), &[&wanted(what, written)]);
    }
    let nothing = "display_name: has no value; give it one or leave it out";
    wrong_more("display_name:\n", &[&format!("7:1: {nothing}")]);
    wrong_more("display_name: ~\n", &[&format!("7:15: {nothing}")]);
    wrong_more("display_name: null\n", &[&format!("7:15: {nothing}")]);
    wrong_more(
        "display_name: [a]\n",
        &[
            "7:15: display_name: must be a text, not a list; write texts that begin with [ or - in quotes",
        ],
    );
    wrong_more(
        "display_name: {x}\n",
        &[
            "7:15: display_name: must be a text, not a mapping; write texts with { or a colon and a space in quotes",
        ],
    );
}

#[test]
fn lists_mappings_and_truth_values_that_are_something_else() {
    wrong_more("roles: r\n", &["7:8: roles: must be a list, also of one: [\"r\"]"]);
    wrong_more("roles: {a: b}\n", &["7:8: roles: must be a list, not a mapping"]);
    wrong_more("roles:\n", &["7:1: roles: has no value; give it one or leave it out"]);
    wrong_more(
        "roles:\n- r\n",
        &["8:3: roles[0]: must be a mapping, such as {name: \"r\"}, not a text"],
    );
    wrong_more("roles:\n-\n", &["8:2: roles[0]: has no value; give it one or leave it out"]);
    wrong_more("expiry: [a]\n", &["7:9: expiry: must be a mapping, not a list"]);
    wrong_more("expiry: 90d\n", &["7:9: expiry: must be a mapping, not a text"]);
    for written in ["yes", "on", "1", "[]", "{}"] {
        let faults = faults(format!("{BASE}hide_existence: {written}\n"));
        assert!(faults[0].starts_with("7:17: hide_existence: must be true or false"), "{faults:?}");
        assert_eq!(faults.len(), 1);
    }
    wrong_more(
        "hide_existence: \"true\"\n",
        &["7:17: hide_existence: must be true or false, without quotes"],
    );
}

#[test]
fn spans_that_are_none() {
    let rule =
        "must be a span of time such as 90d, 1d12h or 30m: units d, h, m and s, the largest first";
    for written in ["7 days", "12h1d", "1w", "P1D", "\"\"", "1.5d"] {
        wrong_more(
            &format!("expiry:\n  max_ttl: {written}\n"),
            &[&format!("8:12: expiry.max_ttl: {rule}")],
        );
    }
    wrong_more(
        "expiry:\n  max_ttl: 90\n",
        &["8:12: expiry.max_ttl: has no unit: write \"90d\", \"90h\", \"90m\", \"90s\""],
    );
    wrong_more("expiry:\n  max_ttl: -1d\n", &["8:12: expiry.max_ttl: must not be negative"]);
    for written in ["315576000001s", "99999999999999999999d", "315576000000.1s"] {
        let fault = "8:12: expiry.max_ttl: is longer than a span can be, 315576000000s";
        wrong_more(&format!("expiry:\n  max_ttl: {written}\n"), &[fault]);
    }
    wrong_more(
        "expiry:\n  max_ttl: {seconds: 1}\n",
        &["8:12: expiry.max_ttl: must be a span of time, not a mapping"],
    );
}

#[test]
fn names_and_numbers_that_are_none() {
    let of = "is none of INSUFFICIENT_SCOPE, NOT_FOUND";
    wrong_more(
        "unmatched_resource: NOTFOUND\n",
        &[&format!("7:21: unmatched_resource: \"NOTFOUND\" {of}; did you mean NOT_FOUND?")],
    );
    wrong_more("unmatched_resource: 2\n", &[&format!("7:21: unmatched_resource: \"2\" {of}")]);
    wrong_more(
        "unmatched_resource: UNMATCHED_RESOURCE_UNSPECIFIED\n",
        &[&format!("7:21: unmatched_resource: \"UNMATCHED_RESOURCE_UNSPECIFIED\" {of}")],
    );
    let quota = |written: &str| {
        format!(
            "plans:\n- name: p\n  key_limits:\n  - name: l\n    window: 1s\n    quota: {written}\n"
        )
    };
    for written in ["1.0", "1e3", "0x10", "010", "+1", "many", "true", "\"\""] {
        wrong_more(
            &quota(written),
            &["12:12: plans[0].key_limits[0].quota: must be a whole number"],
        );
    }
    for written in [
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999999999999999999999999",
    ] {
        let range = "12:12: plans[0].key_limits[0].quota: must be -9223372036854775808 to 9223372036854775807";
        wrong_more(&quota(written), &[range]);
    }
    wrong_more(
        &quota("-1"),
        &[
            "12:12: plans[0].key_limits[0].quota: must be 1 to 1000000000",
            "12:12: plans[0].key_limits[0].quota: must not be negative",
        ],
    );
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated_nor_does_a_fault_end_its_line() {
    let secret = "a1".repeat(25);
    for more in [
        format!("{secret}: x\n"),
        format!("roles:\n- name: r\n  scopes: [\"{secret}\"]\n"),
        format!("unmatched_resource: live_{secret}\n"),
        format!("roles: {secret}\n"),
    ] {
        let faults = faults(format!("{BASE}{more}"));
        assert!(!faults.iter().any(|fault| fault.contains(&secret)), "{faults:?}");
    }
    for fault in
        faults(format!("{BASE}\"a\\nb\\e\\u202e\": x\nunmatched_resource: \"\\r\\u2066\"\n"))
    {
        let bad = |c: char| c.is_control() || ('\u{2000}'..='\u{206f}').contains(&c);
        assert!(!fault.contains(bad), "{fault:?}");
    }
}

#[test]
fn every_unknown_name_of_a_file_that_is_not_huge_comes_with_the_nearest() {
    let roles: String = (0..20)
        .map(|at| {
            format!("- {name}\n", name = format_args!("{{name: r{at}, scopes: [live:raed]}}"))
        })
        .collect();
    let file = format!(
        "scopes: [{{name: \"live:read\"}}]\nkey_types: [{{name: k, prefix: live, is_default: true}}]\nroles:\n{roles}"
    );
    let told = crate::support::faults(&file);
    assert_eq!(told.len(), 20);
    assert!(told.iter().all(|fault| fault.ends_with("did you mean \"live:read\"?")), "{told:#?}");
}

#[test]
fn a_rule_that_implies_what_there_is_nowhere_is_a_fault() {
    let file = "scopes: [{name: \"a:read\"}, {name: \"a:write\"}]\n\
        key_types: [{name: k, prefix: live, is_default: true}]\n\
        implications: [{scope: \"{x}:write\", implies: [\"{x}:raed\"]}]\n";
    let expected = "3:47: implications[0].implies[0]: no scope is of the form \"{x}:raed\"";
    wrong(file, &[expected]);
}
