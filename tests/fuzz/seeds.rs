//! Good inputs, made by hand: what is found begins with them.

use keyward::proto::IntrospectRequest;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use crate::{
    asked::with_more,
    messages::AGAIN,
    rpcs::{byte, rpc},
    service::stand_in,
};

/// A message of each RPC that is answered to who may do everything, and of some more than one. `$NAME` is a secret.
pub(crate) const MESSAGES: &[(&str, &str)] = &[
    (
        "CreatePolicy",
        r#"{"policy_id":"fresh","policy":{"display_name":"Fresh","scopes":[{"name":"a:read","class":"c"},{"name":"a:write","implies":["a:read"]},{"name":"admin","isolated":true}],"implications":[{"scope":"{x}:write","implies":["{x}:read"]}],"presets":[{"name":"p","scopes":["a:read"]}],"roles":[{"name":"r","scopes":["a:*"],"principal_kinds":["PRINCIPAL_KIND_USER"]}],"resources":{"separator":".","wildcard":"\u0023","types":[{"name":"T","segments":[{"name":"s","values":["v"]}]}]},"key_types":[{"name":"live","prefix":"fresh_live","is_default":true}],"expiry":{"default_ttl":"60s","max_ttl":"86400s"},"rotation":{"due_after":"60s","default_grace":"5s","max_grace":"10s"},"plans":[{"name":"q","key_limits":[{"name":"l","quota":"5","window":"60s","burst":"2"}]}]}}"#,
    ),
    (
        "UpdatePolicy",
        r#"{"policy":{"name":"policies/acme","scopes":[{"name":"open"}],"plans":[{"name":"metered"}],"key_types":[{"name":"other","prefix":"other","is_default":true}]},"update_mask":"scopes,plans,roles,keyTypes","force":true}"#,
    ),
    ("GetPolicy", r#"{"name":"policies/acme"}"#),
    ("ListPolicies", r#"{"page_size":1}"#),
    (
        "UpdatePolicy",
        r#"{"policy":{"name":"policies/acme","display_name":"New","expiry":{"max_ttl":"86400000s"}},"update_mask":"displayName,expiry","force":true}"#,
    ),
    (
        "CreateWorkspace",
        r#"{"workspace_id":"fresh","workspace":{"policy":"policies/acme","display_name":"Fresh","plan":"metered"},"request_id":"01990e0c-7b6f-7000-8000-000000000001"}"#,
    ),
    ("GetWorkspace", r#"{"name":"workspaces/acme"}"#),
    ("ListWorkspaces", r#"{"page_size":2}"#),
    (
        "UpdateWorkspace",
        r#"{"workspace":{"name":"workspaces/acme","display_name":"New","plan":"narrow"},"update_mask":"plan"}"#,
    ),
    ("SuspendWorkspace", r#"{"name":"workspaces/acme"}"#),
    ("ResumeWorkspace", r#"{"name":"workspaces/asleep"}"#),
    (
        "CreatePrincipal",
        r#"{"parent":"workspaces/acme","principal_id":"fresh","principal":{"kind":"PRINCIPAL_KIND_USER","display_name":"Ada","role":"operator","confined_to":["sites"]}}"#,
    ),
    ("GetPrincipal", r#"{"name":"workspaces/acme/principals/owner"}"#),
    ("ListPrincipals", r#"{"parent":"workspaces/acme","page_size":1}"#),
    (
        "UpdatePrincipal",
        r#"{"principal":{"name":"workspaces/acme/principals/owner","display_name":"Eve"},"update_mask":"displayName,confinedTo"}"#,
    ),
    ("DisablePrincipal", r#"{"name":"workspaces/acme/principals/owner"}"#),
    ("EnablePrincipal", r#"{"name":"workspaces/acme/principals/gone"}"#),
    ("DeletePrincipal", r#"{"name":"workspaces/other/principals/owner","validate_only":true}"#),
    (
        "CreateKey",
        r#"{"parent":"workspaces/acme","key_id":"fresh","key":{"display_name":"Fresh","type":"robot","principal":"workspaces/acme/principals/owner","grants":[{"scope":"area0:read","resource":"sites/1"},{"scope":"area1:read"}],"constraint":["sites/*"],"allowed_cidrs":["192.0.2.0/24","2001:db8::/32"],"ttl":"3600s","plan":"metered","labels":{"env":"prod"}},"request_id":"01990e0c-7b6f-7000-8000-000000000002"}"#,
    ),
    (
        "CreateKey",
        r#"{"parent":"workspaces/acme","key":{"display_name":"Minted","grants":[{"scope":"area0:read"}],"never_expires":true},"minting_key":"workspaces/acme/keys/reader","validate_only":true}"#,
    ),
    (
        "CreateKey",
        r#"{"parent":"workspaces/fleet","key_id":"fresh","key":{"display_name":"Fresh","grants":[{"scope":"read","resource":"PLACE/Site/7/THING/pump/1"},{"scope":"*","resource":"*"}],"constraint":["PLACE/Site/**","PLACE/Fleet/2"]}}"#,
    ),
    (
        "CreateKey",
        r#"{"parent":"workspaces/team","key":{"display_name":"Fresh","type":"personal","principal":"workspaces/team/principals/ada","constraint":["team/1/site/2"],"ttl":"3600s"},"presets":["read-only","deploy-bot"]}"#,
    ),
    (
        "CreateKey",
        r#"{"parent":"workspaces/team","key":{"display_name":"Fresh","type":"service","principal":"workspaces/team/principals/crew","grants":[{"scope":"jobs:read"},{"scope":"sites:read"}],"constraint":["team/1/site/2"],"ttl":"60s"},"minting_key":"workspaces/team/keys/minter"}"#,
    ),
    ("RotateKey", r#"{"name":"workspaces/team/keys/minter","grace":"3600s"}"#),
    (
        "UpdateKey",
        r#"{"key":{"name":"workspaces/fleet/keys/filtered","grants":[{"scope":"admin","resource":"PLACE/Site/#"}],"constraint":["PLACE/Site/**"]}}"#,
    ),
    (
        "Introspect",
        r#"{"secret":"$minter","required_scopes":["sites:read"],"resource":"team/1/site/3","class":"write"}"#,
    ),
    (
        "Introspect",
        r#"{"secret":"$filtered","required_scopes":["read"],"resource":"PLACE/Site/7/THING/pump/1"}"#,
    ),
    (
        "BatchCreateKeys",
        r#"{"parent":"workspaces/acme","requests":[{"key":{"display_name":"a","grants":[{"scope":"open"}]}},{"parent":"workspaces/acme","key_id":"b","key":{"display_name":"b","grants":[{"scope":"open"}]}}]}"#,
    ),
    ("GetKey", r#"{"name":"workspaces/acme/keys/full"}"#),
    (
        "ListKeys",
        r#"{"parent":"workspaces/acme","page_size":2,"states":["KEY_STATE_ACTIVE","KEY_STATE_REVOKED"],"query":"key","type":"live","scope":"area0:read","expiring_before":"2099-01-01T00:00:00Z","order_by":"create_time desc"}"#,
    ),
    (
        "ListKeys",
        r#"{"parent":"workspaces/acme","principal":"workspaces/acme/principals/owner","never_used":true,"rotation_due":true,"unused_since":"2020-01-01T00:00:00Z","order_by":"display_name"}"#,
    ),
    (
        "UpdateKey",
        r#"{"key":{"name":"workspaces/acme/keys/reader","display_name":"New","grants":[{"scope":"area1:read"}],"expire_time":"2030-01-01T00:00:00Z","labels":{"a":"b"}},"update_mask":"displayName,expireTime,labels"}"#,
    ),
    (
        "RotateKey",
        r#"{"name":"workspaces/acme/keys/reader","grace":"60s","request_id":"01990e0c-7b6f-7000-8000-000000000003"}"#,
    ),
    ("RevokeKey", r#"{"name":"workspaces/acme/keys/narrow"}"#),
    (
        "BatchRevokeKeys",
        r#"{"parent":"workspaces/acme","names":["workspaces/acme/keys/soon","workspaces/acme/keys/orphan"]}"#,
    ),
    ("IdentifyKey", r#"{"secret":"$reader"}"#),
    ("IdentifyKey", r#"{"secret":"$rotated"}"#),
    (
        "GetUsage",
        r#"{"name":"workspaces/acme","start_time":"2027-01-14T00:00:00Z","end_time":"2027-01-15T00:00:00Z","step":"USAGE_STEP_HOUR","top_keys":3}"#,
    ),
    ("GetUsage", r#"{"name":"workspaces/acme/keys/full","start_time":"2027-01-14T00:00:00Z"}"#),
    (
        "ListEvents",
        r#"{"parent":"workspaces/acme","page_size":3,"subject":"workspaces/acme/keys/full","kinds":["EVENT_KIND_KEY_CREATED"],"start_time":"2020-01-01T00:00:00Z","end_time":"2099-01-01T00:00:00Z"}"#,
    ),
    ("ListEvents", r#"{"page_size":2,"actor":"keys/root"}"#),
    (
        "Introspect",
        r#"{"secret":"$full","client_ip":"192.0.2.7","required_scopes":["area0:read","area1:read"],"resource":"sites/1","class":"read","cost":"2","view":"INTROSPECT_VIEW_FULL"}"#,
    ),
    ("Introspect", r#"{"secret":"$foreign","view":"INTROSPECT_VIEW_DECISION"}"#),
    (
        "BatchIntrospect",
        r#"{"requests":[{"secret":"$reader"},{"secret":"$rotated","resource":"sites/2"},{"secret":"x"}]}"#,
    ),
    ("StreamIntrospect", r#"{"request":{"secret":"$reader"}}"#),
];

/// Bytes of a secret of the policy of the tests.
fn length(of: &str) -> usize {
    let prefix = match of {
        "full" => "acme_robot",
        "sleeper" => "veiled_live",
        "minter" => "mfs_live",
        "filtered" => "avyex",
        "root" | "bound" | "asker" => "keyward",
        _ => "acme_live",
    };
    prefix.len() + 1 + 50
}

/// A text with what stands in for the secrets that it names: `$NAME`.
pub(crate) fn stood_in(text: &str) -> String {
    let mut parts = text.split('$');
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(part.len());
        let (of, rest) = part.split_at(end);
        whole += &stand_in(of, &" ".repeat(length(of)));
        whole += rest;
    }
    whole
}

fn message(name: &str, json: &str) -> Vec<u8> {
    let mut json = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(rpc(byte(name)).input(), &mut json);
    message.unwrap_or_else(|error| panic!("{name}: {error}")).encode_to_vec()
}

/// A message of an RPC as an input, by the caller of this place.
pub(crate) fn sent(name: &str, who: u8, json: &str) -> Vec<u8> {
    [vec![byte(name), who], message(name, &stood_in(json))].concat()
}

/// The same with a field of this value, where there is the field.
fn with(who: u8, name: &str, json: &str, field: &str, value: Value) -> Option<Vec<u8>> {
    let input = sent(name, who, json);
    let mut message = DynamicMessage::decode(rpc(input[0]).input(), &input[2..]).unwrap();
    message.descriptor().get_field_by_name(field)?;
    message.set_field_by_name(field, value);
    Some([&input[..2], &message.encode_to_vec()].concat())
}

fn questions() -> Vec<Vec<u8>> {
    let asked = [
        r#"{"secret":"$full","client_ip":"192.0.2.7","required_scopes":["area3:read","area4:read"],"resource":"sites/1","class":"read","cost":"2"}"#,
        r#"{"secret":"$reader"}"#,
        r#"{"secret":"$granted","resource":"sites/1/doors","required_scopes":["area1:read"],"view":"INTROSPECT_VIEW_DECISION"}"#,
        r#"{"secret":"$metered","cost":"3","view":"INTROSPECT_VIEW_FULL"}"#,
        r#"{"secret":"$expired"}"#,
        r#"{"secret":"$graced"}"#,
        r#"{"secret":"$orphan","client_ip":"::1"}"#,
    ];
    let one =
        asked.iter().map(|json| [vec![0, 0], message("Introspect", &stood_in(json))].concat());
    let batch = format!(r#"{{"requests":[{}]}}"#, asked.join(","));
    let more = [(1, 0), (1, 3), (0x11, 1), (0x31, 0)];
    let batches = more.map(|(what, who)| {
        [vec![what, who], message("BatchIntrospect", &stood_in(&batch))].concat()
    });
    let usual = IntrospectRequest { secret: stood_in("$reader"), ..Default::default() };
    let more = with_more(&usual).map(|message| [vec![0, 0], message].concat());
    one.chain(batches).chain(more).collect()
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Good inputs of a target.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "alike" => questions(),
        "files" => texts(&[
            include_str!("../../policies/aerovy.yaml"),
            include_str!("../../policies/fsckmsft.yaml"),
            include_str!("../../policies/newport.yaml"),
            // Of spans, numbers and names of values.
            "expiry: { default_ttl: 1h30m, max_ttl: 1000000000000y }\nrotation: { max_grace: -1s, due_after: 1.5s, default_grace: '7d' }\nplans: [{ name: p, key_limits: [{ name: l, quota: 0x10, burst: -1, window: 1w }, { quota: 1e3 }] }]\nhide_existence: yes\nunmatched_resource: 2\n",
            "scopes: [{ name: \"a:read\" }]\nkey_types:\n  - { name: live, prefix: acme_live, is_default: true }\n",
            "{\"scopes\":[{\"name\":\"a\"}],\"key_types\":[{\"name\":\"live\",\"prefix\":\"live\",\"is_default\":true}]}",
            "scopes:\n- name: a:read\n  display_name: Größe\n  class: c\n- name: a:write\n  implies: [a:read]\n- { name: admin, isolated: true }\nimplications:\n- scope: '{x}:write'\n  implies: ['{x}:read']\npresets:\n- { name: p, scopes: [a:read] }\nroles:\n- name: r\n  scopes: ['a:*']\n  principal_kinds: [user, SERVICE]\nresources:\n  separator: .\n  wildcard: '#'\n  types:\n  - name: T\n    segments:\n    - { name: s, values: [v] }\nkey_types:\n- name: live\n  prefix: live\n  is_default: true\n  requires_principal: true\nexpiry: { default_ttl: 90d, max_ttl: 1y, required: true }\nrotation: { due_after: 90d, default_grace: 24h, max_grace: 7d }\nhide_existence: true\nunmatched_resource: not_found\nplans:\n- name: q\n  description: |\n    two\n    lines\n  key_limits:\n  - { name: l, quota: 5, window: 60s, burst: 2, class: c }\n",
            "scopes: &a [*a]\n",
            "? [a]\n: b\n",
            "%YAML 1.2\n---\n!!map {}\n...\n",
            "scopes: >-\n  x\n\ty\n",
            "a: 'it''s'\nb: \"\\u00e9\\x00\"\n",
            "scopes:\n- name: a\n- name: a\nkey_tpyes: []\n",
            "\u{feff}scopes: ~\n",
        ]),
        "masks" => (0..4_u8)
            .flat_map(|kind| {
                [
                    "",
                    "*",
                    "display_name",
                    "display_name\nplan",
                    "name",
                    "etag",
                    "labels.env\nlabels",
                    "grants\ngrants\nexpire_time",
                    "role\nconfined_to",
                    "expiry\nhide_existence\nstate",
                    "key.display_name",
                    "secrets\ncreate_time",
                ]
                .map(|mask| [&[kind, 0xff, kind * 0x35], mask.as_bytes()].concat())
            })
            .collect(),
        "messages" => {
            let all = MESSAGES.iter().enumerate();
            let by_root = all.clone().map(|(_, (name, json))| sent(name, 0, json));
            let by_others = all.map(|(at, (name, json))| sent(name, [1, 3, 5, 7][at % 4], json));
            let checks = MESSAGES
                .iter()
                .filter_map(|(name, json)| with(0, name, json, "validate_only", Value::Bool(true)));
            let twice = MESSAGES.iter().enumerate().filter_map(|(at, (name, json))| {
                let id = format!("01990e0c-7b6f-7000-8000-1000000000{at:02}");
                with(AGAIN, name, json, "request_id", Value::String(id))
            });
            // Before what makes of some that there is nothing to change.
            checks.chain(twice).chain(by_root).chain(by_others).collect()
        }
        "networks" => texts(&[
            "192.0.2.0/24\n10.0.0.0/8\n2001:db8::/32\n\n192.0.2.128/25\n10.1.2.3",
            "*\n\n0.0.0.0/0\n::/0",
            "::\n0.0.0.0\n255.255.255.255/32",
            "::ffff:192.0.2.1",
            "::ffff:0:0/96",
            "192.0.2.1/31\n192.0.2.1/25\n64.0.0.0/1\n2001:db8::1/127\n2001:db8:1::/33\n4000::/1",
            "192.0.2.2/31\n128.0.0.0/1\n2001:db8::2/127\n8000::/1\n\n192.0.2.3\n2001:db8::3",
            "192.0.2.1/24",
            "010.0.0.1/8",
            "fe80::1%eth0",
            " 10.0.0.0/8",
            "10.0.0.0/+8\n10.0.0.0/08\n10.0.0.0/",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n255.255.255.254/31\n\n255.255.255.255",
            "2001:db8::192.0.2.1/128",
            "::192.0.2.0/120\n64:ff9b::/96",
        ]),
        "resources" => texts(&[
            "/*sites/*\nsites/1\nsites/1\nsites/1/2",
            "/*sites/**\nsites/1/**\nsites\nsites/1/a",
            "/**\n/\na\n/a",
            "/#PLACE/#/**\n#/Site/7\nPLACE/Site/7\n*",
            ".*a.b\na.*\na.b\na.b.c",
            "/*a/**/b\na*\n**\n//",
            ":-a:-:**\na:b\na:b:c",
            "/#*\n#\na\n\u{e9}/\u{10ffff}",
            "/*/a/**\n/a\n/a/b\na/b",
            "~!*\n~\n~a\na~~b",
            "**a\nb",
            "/*x/..\n../x\n./x\nx/../y",
        ]),
        "secrets" => texts(&[
            "\u{28}\u{3}acme_live\n0123456789abcdefABCDEFzzzzzzzzzz",
            "\u{0}\u{9}ab\nx",
            "\u{1}\u{0}acme_live\n",
            "\u{2}\u{14}a1_b2_c3\nZ",
            "\u{3}\u{1}aaaaaaaaaaaaaaaaaaaa\n",
            "\u{0}\u{0}acme__live\nx",
            "\u{0}\u{0}Acme\nx",
            "\u{0}\u{0}_a\nx",
            "\u{0}\u{0}a\nx",
            "\u{28}\u{0}acme_live_0AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "\u{4}\u{5}keyward\nq",
            "\u{29}\u{3f}keyward\nq",
        ]),
        "tokens" => (0..11_u8)
            .flat_map(|list| {
                [
                    (list, 3, &b""[..]),
                    (list, 0, b"e30"),
                    (list, 1, b"{\"query\":[0,0,0,0,0,0,0,0],\"after\":1}"),
                    (list, 2, b"\"acme\""),
                    (list, 2, b"7"),
                    (list, 7, b"\x0c\x01"),
                    (list ^ 1, 3, b""),
                    (list, 2, b"{\"id\":\"full\",\"time\":0,\"title\":\"\"}"),
                ]
                .map(|(whose, what, text)| [&[list, whose, what], text].concat())
            })
            .collect(),
        _ => panic!("there is no {target}"),
    }
}
