//! `Introspect` has a short way, which nobody can tell by its answers: whatever is sent, it answers as the plain one
//! does, and as much is taken note of.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "quick/asked.rs"]
mod asked;
#[path = "quick/both.rs"]
mod both;
#[path = "quick/known.rs"]
mod known;
#[path = "quick/policies.rs"]
mod policies;
#[path = "quick/ports.rs"]
mod ports;
#[path = "kill/random.rs"]
mod random;
#[path = "quick/sent.rs"]
mod sent;
#[path = "quick/served.rs"]
mod served;
#[path = "quick/several.rs"]
mod several;
#[path = "quick/shapes.rs"]
mod shapes;
#[path = "quick/world.rs"]
mod world;

use std::{collections::BTreeMap, time::Duration};

use keyward::{
    domain::time::Timestamp,
    proto::{DenyReason, IntrospectRequest, IntrospectResponse, IntrospectView},
};

use asked::call;
use both::{By, Lines};
use policies::strings;
use random::{Random, seed};
use sent::Call;
use world::{World, with_world};

/// Calls by chance.
const CALLS: usize = 3_000;

/// A question about the key of this secret, to be answered in full.
fn about(secret: &str) -> IntrospectRequest {
    IntrospectRequest { secret: secret.to_owned(), ..Default::default() }
}

/// One that asks for a bit of everything, and is allowed to the key `full`.
fn detailed(secret: &str) -> IntrospectRequest {
    IntrospectRequest {
        client_ip: "192.0.2.7".into(),
        required_scopes: strings(&["area3:read", "area4:read"]),
        resource: "sites/1".into(),
        class: "read".into(),
        cost: 2,
        ..about(secret)
    }
}

impl World {
    /// The answer to a question of the usual caller, and by whom it is.
    async fn answer(
        &self,
        lines: &Lines,
        question: &IntrospectRequest,
    ) -> (IntrospectResponse, By) {
        let call = Call::asking(self.secret("root"), question);
        let (told, by) = self.both.ask(lines, &call).await;
        assert_eq!(told.code(), Some("0"), "{told:?}");
        (told.messages().pop().unwrap(), by)
    }
}

#[test]
fn usual_questions_are_answered_from_memory_alone() {
    with_world(async |world| {
        let lines = world.both.connect();
        let mut reasons = BTreeMap::new();
        for secret in world.secrets() {
            let expected = if secret == world.secret("cold") { By::Services } else { By::Itself };
            for view in [IntrospectView::Full, IntrospectView::Decision] {
                for question in [about(secret), detailed(secret)] {
                    // The callers' policy has no such scopes.
                    if secret.starts_with("keyward") && !question.required_scopes.is_empty() {
                        continue;
                    }
                    let question = IntrospectRequest { view: view.into(), ..question };
                    let (answer, by) = world.answer(&lines, &question).await;
                    *reasons.entry(answer.reason()).or_insert(0) += 1;
                    assert_eq!(by, expected, "{question:?} {answer:?}");
                }
            }
        }
        for nobodys in [&world.mint(), "", "acme_live_x", "\u{e9}"] {
            if world.keyring.recognise(nobodys).is_some() {
                world.learn(nobodys).await;
            }
            let (answer, by) = world.answer(&lines, &about(nobodys)).await;
            assert_eq!((answer.reason(), by), (DenyReason::InvalidKey, By::Itself));
        }
        let found: Vec<_> = reasons.keys().map(DenyReason::as_str_name).collect();
        assert!(reasons.len() >= 8, "there is a key for nearly each reason: {found:?}");
        assert_eq!(world.both.quick.limits.told().1, 0, "no limit was waited for");
        assert!(world.both.quick.limits.told().0 > 0);
    });
}

#[test]
fn the_full_answer_says_all_there_is() {
    with_world(async |world| {
        let lines = world.both.connect();
        let (answer, by) = world.answer(&lines, &detailed(world.secret("full"))).await;
        assert_eq!((answer.reason(), by), (DenyReason::Unspecified, By::Itself));
        assert_eq!((answer.grants.len(), answer.effective_scopes.len()), (10, 10));
        assert_eq!((answer.key_labels.len(), answer.constraint.len()), (2, 2));
        assert!(!answer.principal.is_empty() && answer.expire_time.is_some());
        let (answer, by) = world.answer(&lines, &about(world.secret("metered"))).await;
        assert_eq!((answer.limits.len(), by), (2, By::Itself));
    });
}

#[test]
fn whatever_is_sent_is_answered_alike() {
    with_world(async |world| {
        let mut random = Random::new(seed("whatever_is_sent"));
        let mut lines = world.both.connect();
        let mut by_whom = [0_usize; 3];
        let mut codes = BTreeMap::new();
        for number in 0..CALLS {
            match random.below(100) {
                0 => lines = world.both.connect(),
                1 => world.both.each(|way| way.limits.fail(number % 2 == 0)),
                2 => world.both.each(|way| way.keys.fail(true)),
                // What fails does so for a while.
                5..20 => world.both.each(|way| way.keys.fail(false)),
                3 => {
                    let since = (number % 2 == 0).then_some(Timestamp::from_micros(7));
                    world.both.each(|way| way.keys.be_stale(since));
                }
                4 => world.both.each(|way| way.clock.go_on(Duration::from_secs(60))),
                _ => {}
            }
            let (told, by) = world.both.ask(&lines, &call(&mut random, &world)).await;
            by_whom[by as usize] += 1;
            *codes.entry(told.code().map(str::to_owned)).or_insert(0_usize) += 1;
        }
        println!("{by_whom:?} {codes:?}");
        assert!(by_whom.iter().all(|count| *count > CALLS / 30), "{by_whom:?}");
        assert!(codes.len() >= 7, "{codes:?}");
        // What is left of the limits.
        world.both.each(|way| {
            way.limits.fail(false);
            way.keys.fail(false);
        });
        for of in ["metered", "metered-too", "narrow"] {
            world.answer(&lines, &about(world.secret(of))).await;
        }
    });
}

#[test]
fn limits_are_spent_alike() {
    with_world(async |world| {
        let lines = world.both.connect();
        let mut refused = 0;
        for number in 0..60 {
            let of = ["metered", "metered-too", "narrow"][number % 3];
            let scope = if of == "metered-too" { "area0:read" } else { "sites:write" };
            let view = [IntrospectView::Full, IntrospectView::Decision][number % 2];
            let question = IntrospectRequest {
                required_scopes: strings(&[scope]),
                cost: [0, 1, 2][number % 3],
                view: view.into(),
                ..about(world.secret(of))
            };
            let (answer, by) = world.answer(&lines, &question).await;
            assert_eq!(by, By::Itself);
            refused += usize::from(answer.reason() == DenyReason::RateLimited);
        }
        assert!((10..50).contains(&refused), "{refused}");
        assert_eq!(world.both.quick.limits.told().1, 0);
    });
}

#[test]
fn what_is_not_at_hand_is_waited_for() {
    with_world(async |world| {
        let lines = world.both.connect();
        let question = about(world.secret("metered"));
        let ask = async || world.answer(&lines, &question).await.1;
        assert_eq!(ask().await, By::Itself);
        // What is asked about.
        world.both.quick.keys.forget(&world.digest("metered"));
        assert_eq!(ask().await, By::Services);
        world.learn(world.secret("metered")).await;
        assert_eq!(ask().await, By::Itself);
        // Who asks.
        world.both.quick.keys.forget(&world.digest("root"));
        assert_eq!(ask().await, By::Services);
        world.learn(world.secret("root")).await;
        assert_eq!(ask().await, By::Itself);
        // What is left.
        let told = world.both.quick.limits.told();
        world.both.quick.limits.wait_for("workspaces/metered/keys/metered");
        assert_eq!(ask().await, By::Services);
        assert_eq!(world.both.quick.limits.told(), (told.0, told.1 + 1), "it is taken once");
    });
}

#[test]
fn what_cannot_be_told_is_told_by_the_services() {
    with_world(async |world| {
        let (lines, both) = (world.both.connect(), &world.both);
        let call = Call::asking(world.secret("root"), &about(world.secret("metered")));
        both.each(|way| way.limits.fail(true));
        let (told, by) = both.ask(&lines, &call).await;
        assert_eq!((told.code(), by), (Some("14"), By::Services));
        both.each(|way| way.limits.fail(false));
        both.each(|way| way.keys.fail(true));
        let (told, by) = both.ask(&lines, &call).await;
        assert_eq!((told.code(), by), (Some("14"), By::Services));
        both.each(|way| way.keys.fail(false));
        both.each(|way| way.keys.be_stale(Some(Timestamp::from_micros(7))));
        let (told, by) = both.ask(&lines, &call).await;
        assert!(told.messages::<IntrospectResponse>()[0].stale_since.is_some());
        assert_eq!(by, By::Itself);
    });
}
