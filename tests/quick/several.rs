//! Streams and batches: what is at hand is answered at once there, too, and alike.

use std::collections::HashSet;

use keyward::proto::{
    BatchIntrospectRequest, BatchIntrospectResponse, IntrospectRequest, IntrospectView,
    StreamIntrospectRequest,
};
use prost::Message as _;

use crate::{
    about,
    asked::{batch_message, question},
    both::{Both, Lines, Way},
    policies::strings,
    random::{Random, seed},
    sent::{Call, Part, Sent, Told, framed},
    world::{World, with_world},
};

const BATCH: &str = "/keyward.v1.Introspect/BatchIntrospect";
const STREAM: &str = "/keyward.v1.Introspect/StreamIntrospect";

/// Questions of one batch or stream.
const QUESTIONS: usize = 70;
const ROUNDS: usize = 12;
/// Batches by chance.
const BATCHES: usize = 300;

/// A stream with each of these questions in a frame of its own.
fn stream(world: &World, questions: &[IntrospectRequest]) -> Call {
    let message = |(id, question): (usize, &IntrospectRequest)| {
        let id = id.try_into().unwrap();
        StreamIntrospectRequest { id, request: Some(question.clone()) }.encode_to_vec()
    };
    let parts = questions.iter().enumerate().map(message);
    let parts = parts.map(|message| Part::Data(framed(&message).into()));
    Call::new(world.secret("root"), Sent::new(parts)).to(STREAM)
}

fn batch(world: &World, questions: &[IntrospectRequest]) -> Call {
    let request = BatchIntrospectRequest { requests: questions.to_vec() };
    Call::asking(world.secret("root"), &request).to(BATCH)
}

/// The questions' answers, those of a stream in the order of their ids; and the rest of what was told.
fn sorted(told: &Told) -> (Vec<Vec<u8>>, Option<String>) {
    let mut messages = told.raw_messages();
    messages.sort_unstable();
    (messages, told.code().map(str::to_owned))
}

impl Both {
    /// Has a call answered both ways, whose questions may be worked on in any order.
    async fn ask_several(&self, lines: &Lines, call: &Call) -> Told {
        let (request, arrived) = call.request();
        let plain = Told::read(lines.plain.clone().answer_to(request, arrived).await).await;
        let (request, arrived) = call.request();
        let quick = Told::read(lines.quick.clone().answer_to(request, arrived).await).await;
        assert_eq!(sorted(&quick), sorted(&plain));
        assert_eq!((quick.status, &quick.headers), (plain.status, &plain.headers));
        self.check_noted_in_any_order();
        quick
    }

    fn check_noted_in_any_order(&self) {
        let noted = |way: &Way| {
            let mut noted = way.noted();
            noted.uses.sort_unstable();
            noted
        };
        assert_eq!(noted(&self.quick), noted(&self.plain));
    }
}

/// Questions by chance about keys that no limit is for: their answers do not rest on their order.
fn unlimited(random: &mut Random, world: &World) -> Vec<IntrospectRequest> {
    let limited: HashSet<_> =
        ["metered", "metered-too", "narrow"].map(|of| world.secret(of)).into();
    let questions = std::iter::repeat_with(|| question(random, world));
    let unlimited = questions.filter(|question| !limited.contains(&*question.secret));
    unlimited.take(QUESTIONS).collect()
}

#[test]
fn whatever_is_asked_in_a_stream_is_answered_alike() {
    with_world(async |world| {
        let mut random = Random::new(seed("streams"));
        let lines = world.both.connect();
        let keys = &world.both.quick.keys;
        for _ in 0..ROUNDS {
            let questions = unlimited(&mut random, &world);
            let told = world.both.ask_several(&lines, &stream(&world, &questions)).await;
            assert_eq!(told.raw_messages().len(), QUESTIONS);
        }
        let before = keys.asked();
        let questions = vec![about(world.secret("full")); QUESTIONS];
        let told = world.both.ask_several(&lines, &stream(&world, &questions)).await;
        assert_eq!(told.raw_messages().len(), QUESTIONS);
        let (found, handed) = (keys.asked().0 - before.0, keys.asked().1 - before.1);
        assert_eq!(handed, 2 * QUESTIONS, "who asks, and who is asked about");
        // When it begins, and once in a second.
        assert!((1..10).contains(&found), "{found}");
        // They came together.
        assert!(keys.near().iter().any(|(near, _)| *near == 16));
        // After a large one no more is read before it is asked.
        let large =
            IntrospectRequest { resource: "x".repeat(5_000), ..about(world.secret("full")) };
        let told = world.both.ask_several(&lines, &stream(&world, &vec![large; 10])).await;
        assert_eq!((told.raw_messages().len(), keys.near()), (10, vec![]));
    });
}

#[test]
fn whatever_is_asked_in_a_batch_is_answered_alike() {
    with_world(async |world| {
        let mut random = Random::new(seed("batches"));
        let lines = world.both.connect();
        let mut codes = HashSet::new();
        for round in 0..ROUNDS {
            let mut questions = unlimited(&mut random, &world);
            if round % 2 == 0 {
                // With names that nobody has, all would be refused.
                for question in &mut questions {
                    question.required_scopes.clear();
                    question.resource.clear();
                    question.class.clear();
                    (question.client_ip, question.cost) = ("192.0.2.1".into(), 1);
                }
            }
            let (told, _) = world.both.ask_batch(&lines, &batch(&world, &questions)).await;
            codes.insert(told.code().map(str::to_owned));
        }
        assert_eq!(codes.len(), 2, "some are answered, and some are refused: {codes:?}");
    });
}

#[test]
fn whatever_is_sent_as_a_batch_is_answered_alike() {
    with_world(async |world| {
        let mut random = Random::new(seed("sent_as_a_batch"));
        let lines = world.both.connect();
        let (mut from_memory, mut codes) = (0, HashSet::new());
        for _ in 0..BATCHES {
            let message = batch_message(&mut random, &world);
            let call = Call::new(world.secret("root"), Sent::whole(framed(&message))).to(BATCH);
            let (told, found) = world.both.ask_batch(&lines, &call).await;
            from_memory += usize::from(found == 0);
            codes.insert(told.code().map(str::to_owned));
        }
        println!("{from_memory} {codes:?}");
        assert!(from_memory > BATCHES / 10 && codes.len() >= 2, "{from_memory} {codes:?}");
    });
}

#[test]
fn a_batch_of_what_is_at_hand_is_answered_from_memory_alone() {
    with_world(async |world| {
        let lines = world.both.connect();
        let at_hand = |secret: &&str| *secret != world.secret("cold");
        let secrets: Vec<_> = world.secrets().into_iter().filter(at_hand).collect();
        for view in [IntrospectView::Full, IntrospectView::Decision] {
            let question = |secret: &&str| IntrospectRequest { view: view.into(), ..about(secret) };
            let all: Vec<_> = secrets.iter().map(question).collect();
            let keys = &world.both.quick.keys;
            let (_, before) = keys.asked();
            assert_eq!(keys.near(), []);
            let (told, found) = world.both.ask_batch(&lines, &batch(&world, &all)).await;
            assert_eq!((told.code(), found), (Some("0"), 0));
            // Once who asks was found, the processor fetches what is known of all together.
            let (_, after) = keys.asked();
            assert_eq!(keys.near(), [(after - before - 1, before + 1)]);
            assert!(after - before > 10);
        }
    });
}

impl Both {
    /// Has a batch answered both ways, and tells how often the quick one waited for a key.
    async fn ask_batch(&self, lines: &Lines, call: &Call) -> (Told, usize) {
        let before = self.quick.keys.asked().0;
        let told = self.ask_several(lines, call).await;
        (told, self.quick.keys.asked().0 - before)
    }
}

#[test]
fn a_batch_waits_for_what_is_not_at_hand_alone() {
    with_world(async |world| {
        let lines = world.both.connect();
        let all: Vec<_> = world.secrets().into_iter().cycle().take(QUESTIONS).collect();
        let cold = all.iter().filter(|secret| **secret == world.secret("cold")).count();
        let questions: Vec<_> = all.iter().map(|secret| about(secret)).collect();
        let (told, found) = world.both.ask_batch(&lines, &batch(&world, &questions)).await;
        let [answered] = &told.messages::<BatchIntrospectResponse>()[..] else {
            panic!("{told:?}");
        };
        assert_eq!(answered.responses.len(), QUESTIONS);
        assert!(cold > 1);
        assert_eq!(found, 2 + cold, "who asks is looked up before its message is read, and after");
        // In their order, whichever were waited for.
        for (secret, response) in all.iter().zip(&answered.responses) {
            let (alone, _) = world.answer(&lines, &about(secret)).await;
            assert_eq!(alone.key, response.key);
        }
    });
}

#[test]
fn the_uses_of_a_batch_are_counted_in_the_order_of_its_questions() {
    with_world(async |world| {
        let lines = world.both.connect();
        let clients = ["192.0.2.1", "192.0.2.9", "", "192.0.2.3", "192.0.2.1"];
        let question = |client_ip: &&str| IntrospectRequest {
            client_ip: (*client_ip).to_owned(),
            ..about(world.secret("full"))
        };
        let questions: Vec<_> = clients.iter().map(question).collect();
        let (request, arrived) = batch(&world, &questions).request();
        world.both.quick.uses.take();
        let told = Told::read(lines.quick.clone().answer_to(request, arrived).await).await;
        assert_eq!(told.code(), Some("0"));
        let uses = world.both.quick.uses.take();
        let addresses: Vec<_> = uses.iter().skip(1).map(|used| used.4).collect();
        assert_eq!(addresses, clients.map(|client| client.parse().ok()));
    });
}

/// So often the same question, of which only some are let through.
fn limited(world: &World, of: &str) -> Vec<IntrospectRequest> {
    let question = IntrospectRequest {
        required_scopes: strings(&["sites:write"]),
        view: IntrospectView::Full.into(),
        ..about(world.secret(of))
    };
    vec![question; 20]
}

#[test]
fn limits_let_as_many_through_whether_or_not_they_are_told_at_once() {
    with_world(async |world| {
        let lines = world.both.connect();
        let limits = &world.both.quick.limits;
        limits.wait_for("workspaces/metered/keys/metered");
        let questions = [limited(&world, "metered"), limited(&world, "narrow")].concat();
        // All of one key ask the same, so that it does not matter which of them are let through.
        let ids = |number: usize| i64::from(number >= 20);
        let parts = questions.iter().enumerate().map(|(number, question)| {
            let request = Some(question.clone());
            let message = StreamIntrospectRequest { id: ids(number), request }.encode_to_vec();
            Part::Data(framed(&message).into())
        });
        let call = Call::new(world.secret("root"), Sent::new(parts)).to(STREAM);
        world.both.ask_several(&lines, &call).await;
        assert_eq!(limits.told(), (20, 20));
        world.both.each(|way| way.clock.go_on(std::time::Duration::from_secs(3_600)));
        let mut sums = Vec::new();
        for line in [&lines.plain, &lines.quick] {
            let (request, arrived) = batch(&world, &questions).request();
            let told = Told::read(line.clone().answer_to(request, arrived).await).await;
            let mut responses = told.messages::<BatchIntrospectResponse>().remove(0).responses;
            let passed = responses.iter().filter(|one| one.reason == 0).count();
            responses.sort_by_key(prost::Message::encode_to_vec);
            sums.push((passed, responses));
        }
        assert_eq!(sums[0], sums[1]);
        assert_eq!(sums[0].0, 7 + 3);
        world.both.check_noted_in_any_order();
        assert_eq!(limits.told(), (40, 40));
        for of in ["metered", "narrow"] {
            world.answer(&lines, &about(world.secret(of))).await;
        }
    });
}

#[test]
fn a_stream_ends_for_a_caller_that_was_revoked_alike() {
    with_world(async |world| {
        let lines = world.both.connect();
        world.revoke("system", "asker").await;
        // What is at hand is as old as it was: the stream is opened by who may no more.
        let mut call = stream(&world, &[about(world.secret("full"))]);
        call.headers = Call::asking(world.secret("asker"), &about("")).headers;
        let told = world.both.ask_several(&lines, &call).await;
        assert_eq!((told.code(), told.raw_messages().len()), (Some("16"), 0));
    });
}

#[test]
fn a_panic_ends_a_stream_or_a_batch_alike_and_nothing_else() {
    with_world(async |world| {
        let (lines, both) = (world.both.connect(), &world.both);
        let questions = vec![about(world.secret("full")); 3];
        for call in [stream(&world, &questions), batch(&world, &questions)] {
            let digest = world.digest("full");
            both.each(|way| way.keys.panic_at(Some(&digest)));
            for (way, line) in [(&both.plain, &lines.plain), (&both.quick, &lines.quick)] {
                let (request, arrived) = call.request();
                let told = Told::read(line.clone().answer_to(request, arrived).await).await;
                assert_eq!((told.code(), told.raw_messages().len()), (Some("13"), 0));
                assert_eq!(way.calls.in_flight(), [0; 6]);
                way.noted();
            }
            both.each(|way| way.keys.panic_at(None));
            let told = both.ask_several(&lines, &call).await;
            assert_eq!(told.code(), Some("0"));
        }
    });
}
