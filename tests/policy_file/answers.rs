//! Policies as answers print them.

use crate::support::{BASE, read, try_read, wrong};

#[test]
fn what_answers_have_and_files_have_not_is_passed_over_in_json_alone() {
    let json = r#"{
  "name": "policies/x",
  "displayName": "X",
  "scopes": [{"name": "a"}],
  "keyTypes": [{"name": "live", "prefix": "live", "isDefault": true}],
  "expiry": {"maxTtl": "86400s"},
  "unmatchedResource": "UNMATCHED_RESOURCE_NOT_FOUND",
  "plans": [{"name": "p", "keyLimits": [{"name": "l", "quota": "5", "window": "60s"}]}],
  "etag": "e", "revision": "7",
  "createTime": "2026-01-01T00:00:00Z", "updateTime": "2026-01-01T00:00:00Z"
}"#;
    let policy = read(json).message;
    let kept = (&*policy.display_name, &*policy.name, &*policy.etag, policy.revision);
    assert_eq!(kept, ("X", "", "", 0));
    assert_eq!((&*policy.key_types[0].prefix, policy.plans[0].key_limits[0].quota), ("live", 5));
    wrong(
        &json.replace("\"X\",", "\"X\", \"display_name\": \"Y\", \"colour\": \"red\","),
        &[
            "3:23: display_name: is there already, by its other name",
            "3:44: colour: there is no such key here; there are display_name, scopes, implications, presets, roles, resources, key_types, expiry, rotation, hide_existence, unmatched_resource, plans",
        ],
    );
    let yaml = format!("{BASE}createTime: x\n");
    assert!(try_read(yaml).is_err());
}
