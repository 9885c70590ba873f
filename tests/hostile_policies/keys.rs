//! Keys that there are not, or twice.

use crate::attack::{Attack, attack, check, scopes, with};

pub(crate) fn attacks() -> Vec<Attack> {
    vec![
        attack(
            "a typo of a key",
            with("preset: []\n"),
            &["5:1: preset: there is no such key here; did you mean presets?"],
        ),
        attack(
            "a key in capitals",
            with("HIDE_EXISTENCE: true\n"),
            &["5:1: HIDE_EXISTENCE: there is no such key here; did you mean hide_existence?"],
        ),
        attack(
            "a key as JSON has it",
            with("hideExistence: true\n"),
            &["5:1: hideExistence: there is no such key here; did you mean hide_existence?"],
        ),
        attack(
            "a key with a hyphen",
            with("hide-existence: true\n"),
            &["5:1: [\"hide-existence\"]: there is no such key here; did you mean hide_existence?"],
        ),
        attack(
            "a key that is like none",
            with("x-anchors: 1\n"),
            &[
                "5:1: [\"x-anchors\"]: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans",
            ],
        ),
        attack(
            "a required key with a typo",
            "scope:\n  - { name: a }\nkey_types: [{ name: live, prefix: acme_live, is_default: true }]\n",
            &["1:1: scope: there is no such key here; did you mean scopes?"],
        ),
        attack(
            "a key with a homoglyph",
            with("r\u{43E}les: []\n"),
            &["5:1: [\"r\u{43e}les\"]: there is no such key here; did you mean roles?"],
        ),
        attack(
            "a key with a space in it",
            with("\"roles \": []\n"),
            &["5:1: [\"roles \"]: there is no such key here; did you mean roles?"],
        ),
        attack(
            "a prototype",
            with("__proto__: { hide_existence: true }\nconstructor: 1\n"),
            &[
                "5:1: __proto__: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans",
                "6:1: constructor: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans",
            ],
        ),
        attack(
            "fields that are Keyward's",
            with(
                "name: policies/evil\netag: \"1\"\nrevision: 7\ncreate_time: 1970-01-01T00:00:00Z\nupdate_time: 1970-01-01T00:00:00Z\n",
            ),
            &[
                "5:1: name: is no part of a policy file: Keyward sets it; leave it out",
                "6:1: etag: is no part of a policy file: Keyward sets it; leave it out",
                "7:1: revision: is no part of a policy file: Keyward sets it; leave it out",
                "8:1: create_time: is no part of a policy file: Keyward sets it; leave it out",
                "9:1: update_time: is no part of a policy file: Keyward sets it; leave it out",
            ],
        ),
        attack(
            "a typo in a scope",
            scopes("  - { name: a, imply: [a] }\n"),
            &[
                "3:16: scopes[0].imply: there is no such key here; there are name, description, implies, isolated, class",
            ],
        ),
        attack(
            "a typo in an implication",
            with("implications: [{ scope: \"{x}:read\", implie: [\"{x}:read\"] }]\n"),
            &[
                "2:5: scopes[0].implies: goes in a circle: a:read → a:read",
                "5:37: implications[0].implie: there is no such key here; did you mean implies?",
            ],
        ),
        attack(
            "a typo in a preset",
            with("presets: [{ name: p, scope: [\"a:read\"] }]\n"),
            &["5:22: presets[0].scope: there is no such key here; did you mean scopes?"],
        ),
        attack(
            "a typo in a role",
            with("roles: [{ nam: r }]\n"),
            &["5:11: roles[0].nam: there is no such key here; did you mean name?"],
        ),
        attack(
            "a typo in the resources",
            with("resources: { seperator: / }\n"),
            &["5:14: resources.seperator: there is no such key here; did you mean separator?"],
        ),
        attack(
            "a typo in a type of resource",
            with("resources: { types: [{ name: t, segment: [] }] }\n"),
            &[
                "5:33: resources.types[0].segment: there is no such key here; did you mean segments?",
            ],
        ),
        attack(
            "a typo in a segment",
            with("resources: { types: [{ name: t, segments: [{ name: s, value: [a] }] }] }\n"),
            &[
                "5:55: resources.types[0].segments[0].value: there is no such key here; did you mean values?",
            ],
        ),
        attack(
            "a typo in a type of key",
            with("").replace("is_default", "default"),
            &["4:38: key_types[0].default: there is no such key here; did you mean is_default?"],
        ),
        attack(
            "a typo in the expiry",
            with("expiry: { max_tll: 1d }\n"),
            &["5:11: expiry.max_tll: there is no such key here; did you mean max_ttl?"],
        ),
        attack(
            "a typo in the rotation",
            with("rotation: { grace: 1d }\n"),
            &[
                "5:13: rotation.grace: there is no such key here; there are due_after, default_grace, max_grace",
            ],
        ),
        attack(
            "a typo in a plan",
            with("plans: [{ name: p, limits: [] }]\n"),
            &[
                "5:20: plans[0].limits: there is no such key here; there are name, description, key_limits, workspace_limits",
            ],
        ),
        attack(
            "a typo in a limit",
            with("plans: [{ name: p, key_limits: [{ name: l, quotas: 1, window: 1m }] }]\n"),
            &[
                "5:44: plans[0].key_limits[0].quotas: there is no such key here; did you mean quota?",
            ],
        ),
        attack(
            "a typo that hides another fault",
            with("role: [{ name: \"r r\" }]\n"),
            &[
                "5:1: role: there is no such key here; did you mean roles?",
                "5:16: roles[0].name: must be 1 to 100 of the characters A-Z a-z 0-9 . _ : / * -",
            ],
        ),
        attack(
            "a typo beside the key that is meant",
            with("role: []\nroles: []\n"),
            &["5:1: role: there is no such key here; did you mean roles?"],
        ),
        attack("a key twice", with("scopes: []\n"), &["5:1: scopes: is there already, in line 1"]),
        attack(
            "a key twice, once in quotes",
            with("\"scopes\": []\n"),
            &["5:1: scopes: is there already, in line 1"],
        ),
        attack(
            "a key twice, once escaped",
            with("\"\\x73copes\": []\n"),
            &["5:1: scopes: is there already, in line 1"],
        ),
        attack(
            "a key three times",
            with("hide_existence: false\nhide_existence: true\nhide_existence: true\n"),
            &[
                "6:1: hide_existence: is there already, in line 5",
                "7:1: hide_existence: is there already, in line 5",
            ],
        ),
        attack(
            "a key of a scope twice",
            scopes("  - { name: a, isolated: true, isolated: false }\n"),
            &["3:32: scopes[0].isolated: is there already, in line 3"],
        ),
        attack(
            "an unknown key twice",
            with("evil: 1\nevil: 2\n"),
            &[
                "5:1: evil: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans",
                "6:1: evil: is there already, in line 5",
            ],
        ),
        attack(
            "no key that is required",
            "display_name: Acme\n",
            &["1:1: key_types: is missing", "1:1: scopes: is missing"],
        ),
        attack(
            "entries without what is required",
            with(
                "implications: [{}]\npresets: [{}]\nroles: [{}]\nresources: { types: [{ segments: [{}] }] }\nplans: [{ key_limits: [{}], workspace_limits: [{}] }, {}]\n",
            ),
            &[
                "5:16: implications[0].implies: is missing",
                "5:16: implications[0].scope: is missing",
                "6:11: presets[0].name: is missing",
                "6:11: presets[0].scopes: is missing",
                "7:9: roles[0].name: is missing",
                "8:22: resources.types[0].name: is missing",
                "8:35: resources.types[0].segments[0].name: is missing",
                "9:9: plans[0].name: is missing",
                "9:24: plans[0].key_limits[0].name: is missing",
                "9:24: plans[0].key_limits[0].quota: is missing",
                "9:24: plans[0].key_limits[0].window: is missing",
                "9:48: plans[0].workspace_limits[0].name: is missing",
                "9:48: plans[0].workspace_limits[0].quota: is missing",
                "9:48: plans[0].workspace_limits[0].window: is missing",
                "9:55: plans[1].name: is missing",
            ],
        ),
        attack(
            "empty lists where some are required",
            "scopes: []\nkey_types: []\n",
            &[
                "1:9: scopes: is empty; a policy has at least one scope",
                "2:12: key_types: is empty; a policy has at least one key type",
            ],
        ),
    ]
}

#[test]
fn keys_that_are_none_are_refused_with_the_nearest() {
    check(&attacks());
}
