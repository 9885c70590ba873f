//! How calls are sent: in which frames, with which headers, to which paths.

use std::{sync::Arc, time::Duration};

use http::Method;
use keyward::proto::IntrospectRequest;
use prost::Message as _;
use tracing::{Subscriber, span};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _, registry::LookupSpan};

use crate::{
    about,
    asked::with_more,
    both::{By, IN_FLIGHT_MAX, MESSAGE_BYTES_MAX},
    detailed,
    sent::{Call, INTROSPECT, Part, Sent, Told, framed, prefixed},
    world::{World, with_world},
};

/// A trace of a caller who has it recorded, and one who has not.
const SAMPLED: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

#[test]
fn a_message_is_read_at_once_where_all_of_it_came_in_one_frame() {
    with_world(async |world| {
        let lines = world.both.connect();
        let message = detailed(world.secret("full")).encode_to_vec();
        let whole = framed(&message);
        let data = |bytes: &[u8]| Part::Data(bytes.to_vec().into());
        let all = || data(&whole);
        let with_prefix =
            |compressed, length: usize| vec![data(&prefixed(compressed, length, &message))];
        for (what, parts, tells_end, expected) in [
            ("one frame", vec![all()], true, By::Itself),
            // As many clients send it: they learn too late that there is no more.
            ("the end in a frame of its own", vec![all(), data(b"")], true, By::Itself),
            ("an end that is not told", vec![all()], false, By::Services),
            ("an end that comes later", vec![all(), Part::Pending, data(b"")], true, By::Itself),
            ("a frame that comes later", vec![Part::Pending, all()], true, By::Itself),
            ("both later", vec![Part::Pending, all(), Part::Pending, data(b"")], true, By::Itself),
            ("half of it later", vec![Part::Pending, data(&whole[..9])], true, By::Services),
            ("a failure later", vec![all(), Part::Pending, Part::Fails], true, By::Services),
            ("trailers later", vec![all(), Part::Pending, Part::Trailers], true, By::Services),
            ("more later", vec![all(), Part::Pending, all()], true, By::Services),
            ("two frames", vec![data(&whole[..9]), data(&whole[9..])], true, By::Services),
            ("the prefix apart", vec![data(&whole[..5]), data(&message)], true, By::Services),
            ("nothing first", vec![data(b""), all()], true, By::Services),
            ("the end thrice", vec![all(), data(b""), data(b"")], true, By::Services),
            ("trailers", vec![all(), Part::Trailers], true, By::Services),
            ("trailers alone", vec![Part::Trailers], true, By::Services),
            ("a failure after it", vec![all(), Part::Fails], true, By::Services),
            ("a failure before it", vec![Part::Fails, all()], true, By::Services),
            ("failures for ever", vec![Part::FailsForEver], true, By::Services),
            ("it, and failures for ever", vec![all(), Part::FailsForEver], true, By::Services),
            ("half of it", vec![data(&whole[..9])], true, By::Services),
            ("half of the prefix", vec![data(&whole[..3])], true, By::Services),
            ("nothing", vec![], true, By::Services),
            ("nothing in a frame", vec![data(b"")], true, By::Services),
            ("compressed", with_prefix(1, message.len()), true, By::Services),
            ("no flag", with_prefix(2, message.len()), true, By::Services),
            ("too short", with_prefix(0, message.len() - 1), true, By::Services),
            ("too long", with_prefix(0, message.len() + 1), true, By::Services),
            ("two messages", vec![data(&[&*whole, &whole].concat())], true, By::Services),
            ("two in two frames", vec![all(), all()], true, By::Services),
        ] {
            let body = Sent { tells_end, ..Sent::new(parts) };
            let call = Call::new(world.secret("root"), body);
            let (told, by) = world.both.ask(&lines, &call).await;
            assert_eq!(by, expected, "{what}: {told:?}");
        }
    });
}

#[test]
fn the_rest_of_a_call_is_waited_for_as_long_as_by_the_services() {
    with_world(async |world| {
        let lines = world.both.connect();
        let message = about(world.secret("full")).encode_to_vec();
        let data = |bytes: &[u8]| Part::Data(bytes.to_vec().into());
        let large = vec![0; MESSAGE_BYTES_MAX + 1];
        let (root, mint) = (world.secret("root").to_owned(), world.mint());
        for (secret, parts, code) in [
            // Nobody waits for the end of what is wrong already.
            (&root, vec![data(&prefixed(1, message.len(), &message))], "3"),
            (&root, vec![data(&framed(b"\x0a"))], "3"),
            (&root, vec![data(&framed(&large))], "8"),
            (&mint, vec![data(&framed(&message))], "16"),
            (&mint, vec![], "16"),
            (&root, vec![data(&framed(&message))], "4"),
            (&root, vec![data(&framed(&message)[..9])], "4"),
            (&root, vec![data(&framed(&message)), data(b"")], "4"),
            (&root, vec![], "4"),
        ] {
            let body = Sent::new(parts.into_iter().chain([Part::Never]));
            let call = Call::new(secret, body).with("grpc-timeout", b"50m");
            // Where it is waited for, its time ends first.
            let call = if code == "4" { call } else { call.without("grpc-timeout") };
            let (told, _) = world.both.ask(&lines, &call).await;
            assert_eq!(told.code(), Some(code), "{call:?}");
        }
    });
}

#[test]
fn who_is_waited_for_has_a_place_and_a_stranger_has_none() {
    with_world(async |world| {
        let (line, quick) = (world.both.connect().quick, &world.both.quick);
        let call = |secret: &str| Call::new(secret, Sent::new([Part::Never]));
        let mut waiting = Vec::new();
        for taken in 1..=IN_FLIGHT_MAX {
            let (request, arrived) = call(world.secret("root")).request();
            let mut one = Box::pin(line.clone().answer_to(request, arrived));
            assert!(futures_util::poll!(&mut one).is_pending());
            assert_eq!(quick.calls.in_flight()[0], taken as u64);
            waiting.push(one);
        }
        let before = quick.keys.asked().0;
        let (request, arrived) = call(world.secret("root")).request();
        let told = Told::read(line.clone().answer_to(request, arrived).await).await;
        assert_eq!((told.code(), quick.keys.asked().0), (Some("8"), before));
        drop(waiting);
        assert_eq!(quick.calls.in_flight(), [0; 6]);
        let (request, arrived) = call(&world.mint()).request();
        let told = Told::read(line.answer_to(request, arrived).await).await;
        assert_eq!(told.code(), Some("16"));
    });
}

#[test]
fn fields_that_are_not_as_usual_are_read_by_the_services() {
    with_world(async |world| {
        let lines = world.both.connect();
        let question = about(world.secret("reader"));
        let mut by_itself = 0;
        for message in with_more(&question) {
            let call = Call::new(world.secret("root"), Sent::whole(framed(&message)));
            let (_, by) = world.both.ask(&lines, &call).await;
            by_itself += usize::from(by == By::Itself);
        }
        // An empty secret; another address, resource, class, cost (also a cost of two bytes), view, scope; and a length
        // in two bytes.
        assert_eq!(by_itself, 9);
        let (_, by) = world
            .both
            .ask(&lines, &Call::new(world.secret("root"), Sent::whole(framed(b""))))
            .await;
        assert_eq!(by, By::Itself, "a message without a field is one");
        for (count, expected) in [(100, By::Itself), (101, By::Services)] {
            let required_scopes = vec!["area0:read".to_owned(); count];
            let question = IntrospectRequest { required_scopes, ..question.clone() };
            let call = Call::asking(world.secret("root"), &question);
            assert_eq!(world.both.ask(&lines, &call).await.1, expected, "{count} scopes");
        }
    });
}

#[test]
fn a_message_that_is_too_large_is_refused_also_in_one_frame() {
    with_world(async |world| {
        let lines = world.both.connect();
        let of_bytes = |bytes: usize| {
            let secret = "x".repeat(bytes - 4);
            let message = IntrospectRequest { secret, ..Default::default() }.encode_to_vec();
            assert_eq!(message.len(), bytes);
            Call::new(world.secret("root"), Sent::whole(framed(&message)))
        };
        let (told, by) = world.both.ask(&lines, &of_bytes(MESSAGE_BYTES_MAX)).await;
        assert_eq!((told.code(), by), (Some("0"), By::Itself));
        let (told, by) = world.both.ask(&lines, &of_bytes(MESSAGE_BYTES_MAX + 1)).await;
        assert_eq!((told.code(), by), (Some("8"), By::Services));
    });
}

/// Calls with other headers, and to other places.
fn headed(world: &World) -> Vec<(Call, Option<&'static str>, By)> {
    let call = || Call::asking(world.secret("root"), &about(world.secret("full")));
    let typed = |content: &[u8]| call().without("content-type").with("content-type", content);
    let as_bearer = |text: &[u8]| {
        let value = [text, world.secret("root").as_bytes()].concat();
        call().without("authorization").with("authorization", &value)
    };
    let root = format!("Bearer {}", world.secret("root"));
    let waited = Duration::from_secs(61);
    vec![
        (call(), Some("0"), By::Itself),
        (call().with("x-anything", b"\xff"), Some("0"), By::Itself),
        (call().with("grpc-timeout", b"5S"), Some("0"), By::Itself),
        (call().with("grpc-timeout", b"99999999H"), Some("0"), By::Itself),
        (call().with("grpc-timeout", b"0S"), Some("4"), By::Nobody),
        (call().with("grpc-timeout", b"0n"), Some("4"), By::Nobody),
        (call().with("grpc-timeout", b"5s"), Some("3"), By::Nobody),
        (call().with("grpc-timeout", b""), Some("3"), By::Nobody),
        (call().with("grpc-timeout", b"5S").with("grpc-timeout", b"x"), Some("0"), By::Itself),
        (Call { waited, ..call() }, Some("4"), By::Nobody),
        (Call { waited, ..call().with("grpc-timeout", b"5H") }, Some("4"), By::Nobody),
        (call().with("grpc-encoding", b"identity"), Some("0"), By::Services),
        (call().with("grpc-encoding", b"gzip"), Some("12"), By::Services),
        (call().with("grpc-accept-encoding", b"gzip,identity"), Some("0"), By::Itself),
        (typed(b"application/grpc+proto"), Some("0"), By::Itself),
        (typed(b"application/grpc;x=y"), Some("0"), By::Itself),
        (typed(b"application/grpc-web"), None, By::Nobody),
        (typed(b"application/grpc+json"), None, By::Nobody),
        (typed(b"application/json"), None, By::Nobody),
        (call().without("content-type"), None, By::Nobody),
        (Call { method: Method::GET, ..call() }, None, By::Nobody),
        (as_bearer(b"bearer   "), Some("0"), By::Itself),
        (as_bearer(b"Basic "), Some("16"), By::Nobody),
        (as_bearer(b""), Some("16"), By::Nobody),
        (as_bearer(b"Bearer x"), Some("16"), By::Nobody),
        (as_bearer(b"Bearer \xff"), Some("16"), By::Nobody),
        (call().with("authorization", root.as_bytes()), Some("16"), By::Nobody),
        (call().without("authorization"), Some("16"), By::Nobody),
        (call().with("traceparent", SAMPLED), Some("0"), By::Itself),
        (call().with("traceparent", NOT_SAMPLED), Some("0"), By::Itself),
        (call().to(&format!("{INTROSPECT}?x=y")), Some("12"), By::Nobody),
        (call().to(&format!("{INTROSPECT}/")), Some("12"), By::Services),
        (call().to("/keyward.v1.Introspect/introspect"), Some("12"), By::Services),
        (call().to("/keyward.v1.Introspect/%49ntrospect"), Some("12"), By::Services),
        (call().to("/x/Introspect"), Some("12"), By::Nobody),
        (call().to("/"), Some("12"), By::Nobody),
    ]
}

#[test]
fn headers_and_paths_mean_the_same_both_ways() {
    with_world(async |world| {
        let lines = world.both.connect();
        for (call, code, expected) in headed(&world) {
            let (told, by) = world.both.ask(&lines, &call).await;
            assert_eq!((told.code(), by), (code, expected), "{call:?}");
        }
    });
}

/// What became of the spans of calls.
#[derive(Clone, Default)]
struct Spans(Arc<std::sync::Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, new: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        if new.metadata().target() == "keyward::calls" {
            self.0.lock().unwrap().push("begun".into());
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if context.metadata(id).is_some_and(|of| of.target() == "keyward::calls") {
            self.0.lock().unwrap().push(format!("{values:?}"));
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        if context.metadata(&id).is_some_and(|of| of.target() == "keyward::calls") {
            self.0.lock().unwrap().push("ended".into());
        }
    }
}

#[test]
fn a_call_that_is_traced_has_the_same_span() {
    with_world(async |world| {
        let spans = Spans::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone());
        let _until_the_end = tracing::subscriber::set_default(subscriber);
        let lines = world.both.connect();
        for (call, is_traced) in [
            (Call::asking(world.secret("root"), &about(world.secret("full"))), false),
            (
                Call::asking(world.secret("root"), &about(world.secret("full")))
                    .with("traceparent", SAMPLED),
                true,
            ),
            (Call::asking("x", &about("")).with("traceparent", SAMPLED), false),
        ] {
            let (request, arrived) = call.request();
            Told::read(lines.plain.clone().answer_to(request, arrived).await).await;
            let plain = std::mem::take(&mut *spans.0.lock().unwrap());
            let (request, arrived) = call.request();
            Told::read(lines.quick.clone().answer_to(request, arrived).await).await;
            let quick = std::mem::take(&mut *spans.0.lock().unwrap());
            assert_eq!(quick, plain);
            assert_eq!(quick.is_empty(), !is_traced);
            world.both.check_noted(&call);
        }
        assert_eq!(world.both.quick.keys.asked(), (0, 4), "the traced one was short, too");
    });
}

#[test]
fn a_place_is_kept_until_the_answer_is_read_or_left() {
    with_world(async |world| {
        let lines = world.both.connect();
        let call = Call::asking(world.secret("root"), &about(world.secret("full")));
        let mut kept = Vec::new();
        for line in [&lines.plain, &lines.quick] {
            for _ in 0..IN_FLIGHT_MAX {
                let (request, arrived) = call.request();
                kept.push(line.clone().answer_to(request, arrived).await);
            }
        }
        for way in [&world.both.plain, &world.both.quick] {
            assert_eq!(way.calls.in_flight()[0], IN_FLIGHT_MAX as u64);
        }
        for line in [&lines.plain, &lines.quick] {
            let (request, arrived) = call.request();
            let told = Told::read(line.clone().answer_to(request, arrived).await).await;
            assert_eq!(told.code(), Some("8"), "{told:?}");
        }
        // One of each is read, and one of each is left: that was cancelled.
        let left = kept.pop().unwrap();
        let quick = Told::read(kept.pop().unwrap()).await;
        drop((left, kept.pop()));
        assert_eq!(Told::read(kept.pop().unwrap()).await, quick);
        world.both.check_noted(&call);
        let noted = world.both.ask(&lines, &call).await;
        assert_eq!((noted.0.code(), noted.1), (Some("0"), By::Itself));
        let ended = world.both.quick.noted().calls;
        let of = |status| ended.iter().find(|one| one.1 == status).map(|one| one.2);
        assert_eq!(
            [of("OK"), of("CANCELLED"), of("RESOURCE_EXHAUSTED")],
            [Some(2), Some(1), Some(1)]
        );
    });
}
