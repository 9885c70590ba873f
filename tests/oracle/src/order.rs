//! What is wrong in several ways is told the first of them: what is said of a resource,
//! or of scopes, is said to nobody who may not know of it.

use keyward::domain::{
    decision::Denial,
    network::AllowedNetworks,
    policy::{Role, UnmatchedResource},
    time::Timestamp,
};

use crate::{
    rules::decisions::{Answer, decide, holdings},
    world::{Case, NOW, Request, answer, plain_key, plain_policy, principal, strings},
};

/// One thing that is wrong, and what is answered to it.
struct Wrong {
    what: &'static str,
    with: fn(&mut Case, &mut Request),
    answer: Answer,
}

/// A request that is allowed.
fn right(hide_existence: bool, unmatched_resource: UnmatchedResource) -> (Case, Request) {
    let mut policy = plain_policy(&["a:read", "b:read"]);
    let role = |name: &str, scope: &str| Role {
        name: name.into(),
        scopes: strings(&[scope]),
        ..Role::default()
    };
    policy.roles = vec![role("owner", "*"), role("guest", "b:*")];
    (policy.hide_existence, policy.unmatched_resource) = (hide_existence, unmatched_resource);
    let mut case = plain_key(policy, &["a:read"]);
    case.key.allowed_cidrs = AllowedNetworks::parse(["10.0.0.0/8"].into_iter()).unwrap();
    case.key.constraint = strings(&["s"]);
    case.principal = Some(principal("owner", &["s"]));
    case.key.principal = Some("she".parse().unwrap());
    let client = Some("10.1.2.3".parse().unwrap());
    (case, Request { client, ..Request::new(&["a:read"], Some("s/1")) })
}

/// Everything that can be wrong, in the order in which it is answered.
fn wrongs(hide_existence: bool, unmatched_resource: UnmatchedResource) -> Vec<Wrong> {
    let denied = |reason| Answer::Deny(reason, vec![]);
    let missing = || Answer::Deny(Denial::InsufficientScope, strings(&["a:read"]));
    let outside =
        || denied(if hide_existence { Denial::NotFound } else { Denial::OutsideConstraint });
    let unmatched = match unmatched_resource {
        UnmatchedResource::NotFound => denied(Denial::NotFound),
        UnmatchedResource::InsufficientScope => missing(),
    };
    let wrong = |what, answer, with| Wrong { what, with, answer };
    vec![
        wrong("a replaced secret", denied(Denial::InvalidKey), |case, _| {
            case.replaced = Some(Timestamp::from_micros(NOW));
        }),
        wrong(
            "an unknown scope",
            Answer::UnknownScope("b:raed".into(), Some("b:read".into())),
            |_, request| request.required.push("b:raed".into()),
        ),
        wrong("no path", Answer::InvalidResource, |_, request| {
            request.resource = Some("s//1".into());
        }),
        wrong("a revoked key", denied(Denial::Revoked), |case, _| {
            case.key.revoke_time = Some(Timestamp::from_micros(NOW));
        }),
        wrong("an expired key", denied(Denial::Expired), |case, _| {
            case.key.expire_time = Some(Timestamp::from_micros(NOW));
        }),
        wrong("a suspended workspace", denied(Denial::Disabled), |case, _| {
            case.suspended = true;
        }),
        wrong("a disabled owner", denied(Denial::Disabled), |case, _| {
            case.principal.as_mut().unwrap().disabled = true;
        }),
        wrong("another network", denied(Denial::IpNotAllowed), |_, request| {
            request.client = Some("192.0.2.1".parse().unwrap());
        }),
        wrong("no address", denied(Denial::IpNotAllowed), |_, request| request.client = None),
        wrong("another constraint", outside(), |case, _| case.key.constraint = strings(&["t"])),
        wrong("another confinement", outside(), |case, _| {
            case.principal.as_mut().unwrap().confined_to = strings(&["t"]);
        }),
        wrong("a lost role", missing(), |case, _| {
            case.principal.as_mut().unwrap().role = "lost".into();
        }),
        wrong("a lower role", missing(), |case, _| {
            case.policy.roles.retain(|role| role.name == "guest");
            case.principal.as_mut().unwrap().role = "guest".into();
        }),
        wrong("another scope", missing(), |case, _| case.key.grants[0].scope = "b:read".into()),
        wrong("another resource", unmatched, |case, _| {
            case.key.grants[0].resource = Some("s/2".into());
        }),
    ]
}

/// Does so for every way of hiding.
fn for_all(check: impl Fn(&(Case, Request), &[Wrong])) {
    for hide in [false, true] {
        for unmatched in [UnmatchedResource::InsufficientScope, UnmatchedResource::NotFound] {
            check(&right(hide, unmatched), &wrongs(hide, unmatched));
        }
    }
}

#[track_caller]
fn is_answered(right: &(Case, Request), wrongs: &[&Wrong], expected: &Answer) {
    let (mut case, mut request) = right.clone();
    // The last comes first, so that what comes first has the last word.
    wrongs.iter().rev().for_each(|wrong| (wrong.with)(&mut case, &mut request));
    let all: Vec<&str> = wrongs.iter().map(|wrong| wrong.what).collect();
    assert_eq!(decide(&case, &holdings(&case), &request), *expected, "the definition: {all:?}");
    assert_eq!(answer(&case.alone(), &request), *expected, "the engine: {all:?}");
}

#[test]
fn what_is_right_is_allowed_and_each_wrong_alone_has_its_answer() {
    for_all(|right, wrongs| {
        is_answered(right, &[], &Answer::Allow);
        for wrong in wrongs {
            is_answered(right, &[wrong], &wrong.answer);
        }
    });
}

#[test]
fn of_any_two_wrongs_the_first_is_answered() {
    for_all(|right, wrongs| {
        for (place, first) in wrongs.iter().enumerate() {
            for second in &wrongs[place + 1..] {
                is_answered(right, &[first, second], &first.answer);
            }
        }
    });
}

#[test]
fn of_everything_that_is_wrong_from_one_on_the_first_is_answered() {
    for_all(|right, wrongs| {
        for place in 0..wrongs.len() {
            let all: Vec<&Wrong> = wrongs[place..].iter().collect();
            is_answered(right, &all, &wrongs[place].answer);
        }
    });
}
