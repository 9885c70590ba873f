//! The policy to start from: every construct of the language, doing what its comment says.

use keyward::proto::{self, DenyReason};

use crate::{
    scenario::{Act, DAY, Life, Refusal, Row, Step, Verdict, ask, check, each, key, person, row},
    support::policy,
};

const PATH: &[&str] = &["region/eu/project/apollo"];

#[test]
fn every_construct_of_the_language_is_in_it() {
    let proto::Policy {
        name: _,
        display_name,
        scopes,
        implications,
        presets,
        roles,
        resources,
        key_types,
        expiry,
        rotation,
        hide_existence,
        unmatched_resource,
        plans,
        etag: _,
        revision: _,
        create_time: _,
        update_time: _,
    } = policy("default");
    assert!(!display_name.is_empty() && hide_existence && unmatched_resource != 0);
    assert!(scopes.iter().any(|scope| scope.isolated));
    assert!(scopes.iter().any(|scope| scope.implies == ["*"]));
    assert!(scopes.iter().all(|scope| !scope.class.is_empty() && !scope.description.is_empty()));
    assert!(implications.len() > 1 && presets.len() > 1 && roles.len() > 1);
    let resources = resources.unwrap();
    assert_eq!((&*resources.separator, &*resources.wildcard), ("/", "*"));
    let segments: Vec<_> = resources.types.iter().flat_map(|kind| &kind.segments).collect();
    assert!(segments.iter().any(|segment| segment.values.is_empty()));
    assert!(segments.iter().any(|segment| !segment.values.is_empty()));
    assert_eq!(key_types.len(), 2);
    assert!(key_types.iter().any(|kind| kind.requires_principal));
    let expiry = expiry.unwrap();
    assert!(expiry.required && expiry.default_ttl.is_some() && expiry.max_ttl.is_some());
    let rotation = rotation.unwrap();
    let spans = [rotation.due_after, rotation.default_grace, rotation.max_grace];
    assert!(spans.iter().all(Option::is_some));
    let plan = &plans[0];
    assert!(plan.key_limits.iter().any(|limit| !limit.class.is_empty() && limit.burst > 0));
    assert!(plan.workspace_limits.iter().any(|limit| limit.class.is_empty()));
}

fn comments() -> Vec<Row> {
    vec![
        row(
            "whoever holds a scope of the one form holds those of the others",
            [
                key().may(&["projects:admin"]).made(),
                ask(&["projects:read", "projects:write"]).gives(Verdict::Allowed),
                ask(&["members:read"]).gives(Verdict::Lacks(&["members:read"])),
            ],
        ),
        row(
            "no glob and no preset ever reaches the scope: each key lists it literally",
            [
                key().titled("all").may(&["*"]).made(),
                ask(&["projects:admin", "members:write", "billing:read"])
                    .with("all")
                    .gives(Verdict::Allowed),
                ask(&["keys:write"]).with("all").gives(Verdict::Lacks(&["keys:write"])),
                key().titled("listed").may(&["*", "keys:write"]).made(),
                ask(&["keys:write"]).with("listed").gives(Verdict::Allowed),
            ],
        ),
        row(
            "A key gets what the preset holds at that moment",
            [
                key().preset("read-only").made(),
                Step::Holds {
                    key: "",
                    scopes: ["billing:read", "members:read", "projects:read"]
                        .map(str::to_owned)
                        .to_vec(),
                },
            ],
        ),
        row(
            "lower somebody's role, and all their keys are lowered now",
            [
                person("ada", "member"),
                key().typed("personal").of("ada").may(&["*"]).begins("app_me").made(),
                ask(&["projects:admin"]).gives(Verdict::Allowed),
                ask(&["members:write"]).gives(Verdict::Lacks(&["members:write"])),
                Act::Role("ada", "viewer").happens(),
                ask(&["projects:admin"]).gives(Verdict::Lacks(&["projects:admin"])),
                ask(&["projects:read", "billing:read"]).gives(Verdict::Allowed),
            ],
        ),
        row(
            "It stops working when its person is disabled.",
            [
                person("ada", "owner"),
                key().typed("personal").of("ada").may(&["*"]).made(),
                Act::Disable("ada").happens(),
                ask(&[]).gives(Verdict::Dead(DenyReason::Disabled)),
                key()
                    .titled("nobody's")
                    .typed("personal")
                    .may(&["*"])
                    .refused(Refusal::Field("key.principal", "is required")),
            ],
        ),
        row(
            "What lies outside a key's constraint is not found (404)",
            std::iter::once(key().may(&["projects:read"]).pinned_to(&["region/eu"]).made())
                .chain(each(&["projects:read"], PATH, Verdict::Allowed))
                .chain([
                    ask(&["projects:read"]).on("region/us/project/apollo").gives(Verdict::NotFound),
                    ask(&["projects:write"]).on("region/us").gives(Verdict::NotFound),
                ]),
        ),
        row(
            "In a pattern the wildcard stands for one segment, and `/**` for all beneath",
            [
                key().titled("one").may_on("projects:read", "region/eu/project/*").made(),
                ask(&["projects:read"]).with("one").on(PATH[0]).gives(Verdict::Allowed),
                ask(&["projects:read"]).with("one").on("region/eu").gives(Verdict::NotFound),
                key().titled("all").may_on("projects:read", "region/eu/**").made(),
                ask(&["projects:read"]).with("all").on(PATH[0]).gives(Verdict::Allowed),
                ask(&["projects:read"]).with("all").on("region/eu").gives(Verdict::Allowed),
            ],
        ),
        row(
            "any other value is refused when the key is made",
            [key()
                .may_on("projects:read", "region/asia/project/*")
                .refused(Refusal::Field("key.grants[0].resource", "there are: eu, us"))],
        ),
        row(
            "a key made without a type is of this one; it ends after `default_ttl`",
            [key().may(&["billing:read"]).begins("app_live").lives(Life::Seconds(90 * DAY)).made()],
        ),
        row(
            "No end may be further off than `max_ttl`. `required` refuses keys that never end.",
            [
                key().titled("max").may(&["billing:read"]).for_seconds(365 * DAY).made(),
                key()
                    .may(&["billing:read"])
                    .for_seconds(365 * DAY + 60)
                    .refused(Refusal::Field("key.expire_time", "")),
                key()
                    .may(&["billing:read"])
                    .for_ever()
                    .refused(Refusal::Field("key.expire_time", "")),
            ],
        ),
    ]
}

#[tokio::test]
async fn it_does_what_its_comments_say() {
    check("default", comments()).await;
}
