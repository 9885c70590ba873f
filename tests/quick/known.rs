//! Who calls: by a secret that a connection may have come with before, or by a certificate.

use std::sync::Arc;

use keyward::{
    domain::{identity::Presented, time::Timestamp},
    proto::IntrospectRequest,
};

use crate::{
    about,
    both::{By, Lines},
    sent::{Call, PEER},
    world::{World, with_world},
};

/// What comes of a call with this secret: its status, and by whom it is answered.
async fn called(world: &World, lines: &Lines, secret: &str) -> (String, By) {
    let call = Call::asking(secret, &about(world.secret("full")));
    let (told, by) = world.both.ask(lines, &call).await;
    (told.code().unwrap().to_owned(), by)
}

fn is(code: &str, by: By) -> (String, By) {
    (code.to_owned(), by)
}

#[test]
fn whoever_calls_is_known_alike_however_often_and_after_whomever() {
    with_world(async |world| {
        for of in [
            "root",
            "asker",
            "confined",
            "without-scope",
            "fired",
            "ended",
            "at-home",
            "abroad",
            "reader",
            "cold",
            "expired",
        ] {
            let expected = match of {
                "root" | "asker" | "confined" | "at-home" => is("0", By::Itself),
                "without-scope" | "abroad" => is("7", By::Services),
                _ => is("16", By::Services),
            };
            let lines = world.both.connect();
            for secret in [of, of, "asker-too", of].map(|of| world.secret(of)) {
                let known = called(&world, &lines, secret).await;
                let other = secret == world.secret("asker-too");
                assert_eq!(
                    known,
                    if other { is("0", By::Itself) } else { expected.clone() },
                    "{of}"
                );
            }
        }
    });
}

#[test]
fn who_is_confined_learns_nothing_of_other_workspaces() {
    with_world(async |world| {
        let lines = world.both.connect();
        for (of, is_known) in [("reader", true), ("foreign", false), ("veiled", false)] {
            for caller in ["confined", "root"] {
                let call = Call::asking(world.secret(caller), &about(world.secret(of)));
                let (told, by) = world.both.ask(&lines, &call).await;
                let answer: keyward::proto::IntrospectResponse = told.messages().pop().unwrap();
                assert_eq!(!answer.key.is_empty(), is_known || caller == "root", "{answer:?}");
                assert_eq!(by, By::Itself);
            }
        }
    });
}

#[test]
fn a_secret_that_is_nearly_the_one_before_is_another() {
    with_world(async |world| {
        let lines = world.both.connect();
        let root = world.secret("root");
        let last = root.len() - 1;
        let swapped = if root.ends_with('x') { "y" } else { "x" };
        let nearly = [
            format!("{}{swapped}", &root[..last]),
            format!("{swapped}{}", &root[1..]),
            root[..last].to_owned(),
            format!("{root}x"),
            root.to_uppercase(),
            world.mint(),
        ];
        for other in &nearly {
            assert_eq!(called(&world, &lines, root).await, is("0", By::Itself));
            let (code, by) = called(&world, &lines, other).await;
            assert_eq!(code, "16", "{other}");
            assert_ne!(by, By::Itself, "{other}");
        }
        assert_eq!(called(&world, &lines, root).await, is("0", By::Itself));
    });
}

#[test]
fn a_caller_that_a_connection_is_known_by_is_refused_from_its_revocation_on() {
    with_world(async |world| {
        let lines = world.both.connect();
        let asker = world.secret("asker");
        for _ in 0..2 {
            assert_eq!(called(&world, &lines, asker).await, is("0", By::Itself));
        }
        world.revoke("system", "asker").await;
        world.learn(asker).await;
        for _ in 0..2 {
            assert_eq!(called(&world, &lines, asker).await, is("16", By::Services));
        }
        let other = world.secret("asker-too");
        assert_eq!(called(&world, &lines, other).await, is("0", By::Itself));
        assert_eq!(called(&world, &lines, asker).await, is("16", By::Services));
    });
}

#[test]
fn a_key_that_is_asked_about_is_revoked_from_one_question_to_the_next() {
    with_world(async |world| {
        let lines = world.both.connect();
        let question = about(world.secret("reader"));
        assert!(world.answer(&lines, &question).await.0.active);
        world.revoke("acme", "reader").await;
        world.learn(world.secret("reader")).await;
        let (answer, by) = world.answer(&lines, &question).await;
        assert_eq!((answer.active, by), (false, By::Itself));
    });
}

#[test]
fn a_caller_that_asks_about_itself_was_used_as_often_and_in_the_same_order() {
    with_world(async |world| {
        let lines = world.both.connect();
        let question =
            IntrospectRequest { client_ip: "192.0.2.7".into(), ..about(world.secret("asker")) };
        let call = Call::asking(world.secret("asker"), &question);
        let (request, arrived) = call.request();
        drop(lines.quick.answer_to(request, arrived).await);
        let uses = world.both.quick.uses.take();
        let addresses: Vec<_> = uses.iter().map(|used| used.4).collect();
        assert_eq!(addresses, [Some(PEER.ip()), Some([192, 0, 2, 7].into())]);
    });
}

#[test]
fn who_has_a_certificate_is_known_by_it_alike() {
    with_world(async |world| {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let shown = |host: &str, end| {
            Arc::new(Presented::new(std::iter::empty(), std::iter::once(host), end))
        };
        let withdrawn = shown("ops", Timestamp::MAX);
        withdrawn.standing.withdraw();
        for (presented, expected) in [
            (shown("ops", Timestamp::MAX), "0"),
            (shown("shop", Timestamp::MAX), "0"),
            (shown("reader", Timestamp::MAX), "7"),
            (shown("stranger", Timestamp::MAX), "16"),
            (shown("ops", now), "16"),
            (withdrawn, "16"),
        ] {
            let lines = world.both.connect_from(PEER, Some(&presented));
            for of in ["reader", "foreign"] {
                let call = Call::asking("", &about(world.secret(of))).without("authorization");
                let (told, by) = world.both.ask(&lines, &call).await;
                let itself = if expected == "0" { By::Itself } else { By::Nobody };
                assert_eq!((told.code(), by), (Some(expected), itself), "{presented:?} {of}");
            }
            // With that header it is judged by it alone.
            for (secret, expected) in
                [("Bearer x", "16"), ("Basic x", "16"), ("Bearer", "16"), ("", "16")]
            {
                let call = Call::asking("", &about(world.secret("reader")))
                    .without("authorization")
                    .with("authorization", secret.as_bytes());
                let (told, by) = world.both.ask(&lines, &call).await;
                assert_eq!((told.code(), by), (Some(expected), By::Nobody), "{secret}");
            }
            assert_eq!(called(&world, &lines, world.secret("root")).await, is("0", By::Itself));
        }
    });
}

#[test]
fn the_trace_of_who_has_a_certificate_is_gone_on_with_and_a_strangers_is_not() {
    with_world(async |world| {
        let sampled = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (host, refused) in [("ops", 0), ("stranger", 1)] {
            let identity = std::iter::once(host);
            let presented = Presented::new(std::iter::empty(), identity, Timestamp::MAX);
            let lines = world.both.connect_from(PEER, Some(&Arc::new(presented)));
            let call = Call::asking("", &about(world.secret("reader")));
            let call = call.without("authorization").with("traceparent", sampled);
            world.both.ask(&lines, &call).await;
            for way in [&world.both.plain, &world.both.quick] {
                assert_eq!(way.sampler.refused(), refused, "{host}");
            }
        }
    });
}

#[test]
fn a_panic_is_answered_and_others_are_served() {
    with_world(async |world| {
        let lines = world.both.connect();
        for panics in ["full", "root"] {
            let digest = world.digest(panics);
            world.both.each(|way| way.keys.panic_at(Some(&digest)));
            let call = Call::asking(world.secret("root"), &about(world.secret("full")));
            for (way, line) in
                [(&world.both.plain, &lines.plain), (&world.both.quick, &lines.quick)]
            {
                let (request, arrived) = call.request();
                let response = line.clone().answer_to(request, arrived).await;
                let told = crate::sent::Told::read(response).await;
                assert_eq!((told.status.as_u16(), told.code()), (200, Some("13")));
                // The number of the incident is another each time.
                assert_eq!(told.pieces, []);
                let noted = way.noted();
                assert_eq!(noted.calls.last().map(|one| one.1), Some("INTERNAL"));
                assert_eq!(way.calls.in_flight(), [0; 6]);
            }
            world.both.each(|way| way.keys.panic_at(None));
            let (told, by) = world.both.ask(&lines, &call).await;
            assert_eq!((told.code(), by), (Some("0"), By::Itself));
        }
    });
}
