//! Files that are no text, too much text, or text that does not look like what it is.

use keyward::policy_file::SIZE_MAX;

use crate::attack::{Attack, attack, check, scopes, with};

/// In UTF-16, with a byte order mark.
fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(bytes).collect()
}

const MANY: usize = 10 * SIZE_MAX;

fn large() -> Vec<Attack> {
    let filled = |to: usize| with(&format!("#{}\n", "x".repeat(to - with("#\n").len())));
    vec![
        attack("ten megabytes of spaces", " ".repeat(MANY), &["1:1: is larger than 1048576 bytes"]),
        attack(
            "ten megabytes of one text",
            with(&format!("display_name: {}\n", "x".repeat(MANY))),
            &["1:1: is larger than 1048576 bytes"],
        ),
        attack(
            "ten megabytes of scopes",
            scopes(&"  - { name: a }\n".repeat(MANY / 16)),
            &["1:1: is larger than 1048576 bytes"],
        ),
        attack(
            "one byte more than is read",
            filled(SIZE_MAX + 1),
            &["1:1: is larger than 1048576 bytes"],
        ),
        attack(
            "a megabyte of spaces",
            " ".repeat(SIZE_MAX),
            &["1:1: is empty; a policy has at least scopes and key_types"],
        ),
        attack(
            "a line of a megabyte",
            with(&format!("display_name: {}\n", "x".repeat(1_000_000))),
            &["5:15: display_name: is longer than 100 characters"],
        ),
        attack(
            "a key of a megabyte",
            format!("{}: []", "k".repeat(1_000_000)),
            &[
                "1:1000001: is no YAML: mapping values are not allowed in this context; write texts that have a colon and a space in quotes",
            ],
        ),
        attack(
            "a quoted key of a megabyte",
            format!("\"{}\": []", "k".repeat(1_000_000)),
            &[
                "1:1000003: is no YAML: mapping values are not allowed in this context; write texts that have a colon and a space in quotes",
            ],
        ),
        attack(
            "a million brackets",
            "[".repeat(1_000_000),
            &["1:256: is nested deeper than 16 levels"],
        ),
        attack(
            "a million nothings",
            format!("scopes: [{}]\nkey_types: []", ",".repeat(1_000_000)),
            &["1:10: is no YAML: while parsing a node, did not find expected node content"],
        ),
    ]
}

pub(crate) fn attacks() -> Vec<Attack> {
    let mut attacks = large();
    let policy = with("");
    attacks.extend([
        attack("no byte", "", &["1:1: is empty; a policy has at least scopes and key_types"]),
        attack("only a line", "\n", &["1:1: is empty; a policy has at least scopes and key_types"]),
        attack("only comments", "# scopes: []\n# key_types: []\n", &["1:1: is empty; a policy has at least scopes and key_types"]),
        attack("only the beginning of a document", "---\n", &["1:1: is empty; a policy has at least scopes and key_types"]),
        attack("nothing, as YAML writes it", "~\n", &["1:1: is empty; a policy has at least scopes and key_types"]),
        attack("a text", "scopes\n", &["1:1: must be a mapping with keys such as scopes"]),
        attack("a number", "7\n", &["1:1: must be a mapping with keys such as scopes"]),
        attack("a list", "- scopes\n- key_types\n", &["1:1: must be a mapping with keys such as scopes"]),
        attack("JSON with a comma in front", "{, \"scopes\": []}", &["1:2: is no YAML: while parsing a node, did not find expected node content"]),
        attack("Latin-1", [policy.as_bytes(), b"display_name: Caf\xE9\n"].concat(), &["5:18: is not UTF-8"]),
        attack(
            "a surrogate in UTF-8",
            [policy.as_bytes(), b"display_name: \xED\xA0\x80\n"].concat(),
            &["5:15: is not UTF-8"],
        ),
        attack(
            "an overlong slash",
            [policy.as_bytes(), b"display_name: \xC0\xAF\n"].concat(),
            &["5:15: is not UTF-8"],
        ),
        attack(
            "half a character at the end",
            [policy.as_bytes(), b"display_name: \xF0\x9F"].concat(),
            &["5:15: is not UTF-8"],
        ),
        attack("UTF-16, the small end first", utf_16(&policy, u16::to_le_bytes), &["1:1: is not UTF-8"]),
        attack("UTF-16, the big end first", utf_16(&policy, u16::to_be_bytes), &["1:1: is not UTF-8"]),
        attack(
            "UTF-16 without a mark",
            policy.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
            &["1:2: is no YAML: found unprintable character"],
        ),
        attack("a byte order mark in the middle", with("\u{FEFF}roles: []\n"), &["5:1: is no YAML: a byte order mark must not appear inside a document"]),
        attack("NUL at the end, and more behind it", with("\0hide_existence: maybe\n"), &["5:1: is no YAML: found unprintable character"]),
        attack("NUL behind the end of the document", with("...\n\0"), &["6:1: is no YAML: found unprintable character"]),
        attack("NUL as the last byte", with("\0"), &["5:1: is no YAML: found unprintable character"]),
        attack("NUL as the first byte", format!("\0{policy}"), &["1:1: is no YAML: found unprintable character"]),
        attack("NUL in a comment", with("# \0\nhide_existence: maybe\n"), &["5:3: is no YAML: found unprintable character"]),
        attack("NUL in a text", with("display_name: Ac\0me\n"), &["5:17: is no YAML: found unprintable character"]),
        attack("NUL in a quoted text", with("display_name: \"Ac\0me\"\n"), &["5:15: is no YAML: while scanning a quoted scalar, found unexpected end of stream"]),
        attack("an escaped NUL in a title", with("display_name: \"Ac\\0me\"\n"), &["5:15: display_name: has the character U+0000 at position 2, a control or change of direction"]),
        attack("a bell", with("display_name: Ac\u{7}me\n"), &["5:15: display_name: has the character U+0007 at position 2, a control or change of direction"]),
        attack("an escape sequence", with("display_name: \"Ac\u{1B}[2Jme\"\n"), &["5:15: display_name: has the character U+001B at position 2, a control or change of direction"]),
        attack("an escape sequence in a key", with("\"\u{1B}[2J\": 1\n"), &["5:1: [\"\\u{1b}[2J\"]: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans"]),
        attack("a delete", with("display_name: Ac\u{7F}me\n"), &["5:15: display_name: has the character U+007F at position 2, a control or change of direction"]),
        attack("a backspace that hides a scope", scopes("  - { name: \"a:read\u{8}\" }\n"), &["3:13: scopes[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -"]),
        attack("a line separator in a title", with("display_name: \"Ac\u{2028}me\"\n"), &["5:15: display_name: has the character U+2028 at position 2, a control or change of direction"]),
        attack("a line separator in a key", with("\"ro\u{2028}les\": []\n"), &["5:1: [\"ro\\u{2028}les\"]: there is no such key here; did you mean roles?"]),
        attack("a title that is turned round", with("display_name: \"\u{202E}emcA\"\n"), &["5:15: display_name: has the character U+202E at position 0, a control or change of direction"]),
        attack("a key that is turned round", with("\u{202E}seilpmi: []\n"), &["5:1: [\"\\u{202e}seilpmi\"]: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans"]),
        attack(
            "a comment that is turned round, and a key behind it",
            with("# \u{202E}\nseilpmi: []\n"),
            &["6:1: seilpmi: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans"],
        ),
        attack(
            "a description without width",
            scopes("  - { name: a, description: \"Re\u{200B}ads.\" }\n"),
            &["3:29: scopes[0].description: has the character U+200B at position 2, a control or change of direction"],
        ),
        attack(
            "a description with an isolate",
            scopes("  - { name: a, description: \"\u{2066}Reads.\u{2069}\" }\n"),
            &["3:29: scopes[0].description: has the character U+2066 at position 0, a control or change of direction"],
        ),
        attack(
            "a description of two lines",
            scopes("  - name: a\n    description: |\n      One.\n      Two.\n"),
            &["5:7: scopes[0].description: must be one line; fold it with >-"],
        ),
        attack(
            "an enum that is turned round",
            with("unmatched_resource: \"\u{202E}NOT_FOUND\"\n"),
            &["5:21: unmatched_resource: \"\\u{202e}NOT_FOUND\" is none of INSUFFICIENT_SCOPE, NOT_FOUND; did you mean NOT_FOUND?"],
        ),
        attack(
            "only carriage returns",
            policy.replace('\n', "\r") + "hide_existence: maybe\r",
            &["5:17: hide_existence: must be true or false"],
        ),
    ]);
    attacks
}

#[test]
fn bytes_that_are_no_plain_text_are_refused() {
    check(&attacks());
}
