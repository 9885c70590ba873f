//! The parts of an answer, but for its own form.

use futures_util::FutureExt as _;
use keyward::{
    clock::SystemClock,
    domain::{
        decision::{Denial, Inquiry},
        limit::Limiter as _,
        ports::{AtHand, Clock as _, FindKey as _},
        usage::{CountUses as _, LastUse, Outcome, Use},
    },
    introspect::Question,
    limits::Local,
};

use crate::{
    keys,
    table::{Is, Table},
    world::{One, World},
};

/// One number after the other, over and over.
struct Round<'a> {
    places: &'a [u32],
    next: usize,
}

impl<'a> Round<'a> {
    fn new(places: &'a [u32]) -> Self {
        Self { places, next: 0 }
    }

    fn one(&mut self, world: &'a World) -> &'a One {
        self.next = (self.next + 1) % self.places.len();
        &world.keys[self.places[self.next] as usize]
    }
}

/// Parse, checksum and tag.
pub(crate) fn secrets(world: &World, table: &mut Table) {
    let keyring = &world.keyring;
    let good = &*world.usual().secret;
    // The checksum is wrong, and nothing else is.
    let (body, last) = good.split_at(good.len() - 1);
    let malformed = format!("{body}{}", if last == "0" { "1" } else { "0" });
    for (is, name, secret, known) in [
        (Is::Part, "good", good, true),
        (Is::Beside, "malformed", &malformed, false),
        (Is::Beside, "forged", &world.forged, false),
    ] {
        assert_eq!(keyring.recognise(secret).is_some(), known);
        table.part(is, "secret", name, || keyring.recognise(std::hint::black_box(secret)));
    }
}

/// What is in memory: at once where the cache can tell so, else by the way of all look-ups.
pub(crate) fn cache(world: &World, table: &mut Table) {
    let cache = &world.cache;
    // Until the caches in front have what is asked for.
    let known = world.zipf.iter().rev().filter(|place| {
        let digest = &world.keys[**place as usize].digest;
        matches!(cache.at_hand(digest), Ok(AtHand::Key(_)))
    });
    let tells = known.count() > 0;
    for (name, places, is) in
        [("zipf", &world.zipf, Is::Part), ("uniform", &world.uniform, Is::Beside)]
    {
        let mut round = Round::new(places);
        let is_now = if tells { is } else { Is::Beside };
        table.part(is_now, "cache", &format!("at hand, {name}"), || {
            cache.at_hand(&round.one(world).digest)
        });
        let is_awaited = if tells { Is::Beside } else { is };
        table.part(is_awaited, "cache", &format!("find, {name}"), || {
            cache.find_key(&round.one(world).digest).now_or_never().unwrap().unwrap().unwrap()
        });
    }
}

/// Whether the key can be used, and whether it may.
pub(crate) fn decision(world: &World, table: &mut Table) {
    let now = SystemClock.now();
    for (shape, one) in &world.special {
        let required_scopes = [keys::scope(shape.scopes - 1)];
        let client = format!("10.{}.{}.9", (shape.cidrs - 1) / 128, (shape.cidrs - 1) % 128 * 2);
        let inquiry = Inquiry {
            client: Some(client.parse().unwrap()),
            required_scopes: required_scopes[..].into(),
            ..Inquiry::default()
        };
        let key = &one.key;
        let is_usual = (shape.scopes, shape.cidrs) == (10, 3);
        let is = if is_usual { Is::Part } else { Is::Beside };
        let name = format!("{} scopes, {} networks", shape.scopes, shape.cidrs);
        assert_eq!(key.decide(&inquiry, now).unwrap().denial, None);
        table.part(is, "decision", &name, || {
            let examined = key.examine(std::hint::black_box(&inquiry), now).unwrap().unwrap();
            key.permit(&examined)
        });
    }
}

/// The limit of a key and the ceiling of its workspace.
pub(crate) fn limiter(world: &World, table: &mut Table) {
    let limiter: &Local = &world.limiter;
    let first = world.usual().key.charge("", 1, false);
    assert_eq!((first.key_limits.len(), first.workspace_limits.len()), (1, 1));
    let at_once = limiter.take_now(&first).is_some();
    for (name, places, usual) in [("zipf", &world.zipf, true), ("uniform", &world.uniform, false)] {
        let mut round = Round::new(places);
        let is = |part| if part && usual { Is::Part } else { Is::Beside };
        table.part(is(at_once), "limiter", &format!("at once, {name}"), || {
            limiter.take_now(&round.one(world).key.charge("", 1, false))
        });
        table.part(is(!at_once), "limiter", &format!("take, {name}"), || {
            let charge = round.one(world).key.charge("", 1, false);
            limiter.take(&charge).now_or_never().unwrap().unwrap()
        });
    }
}

/// The count of a use.
pub(crate) fn usage(world: &World, table: &mut Table) {
    let at = LastUse { time: SystemClock.now(), address: Some([10, 0, 2, 9].into()) };
    for (name, places, is) in
        [("zipf", &world.zipf, Is::Part), ("uniform", &world.uniform, Is::Beside)]
    {
        let mut round = Round::new(places);
        table.part(is, "usage", name, || {
            let One { digest, key, .. } = round.one(world);
            let outcome = Outcome::Allowed;
            world.meter.count(Use { key: &key.key().name, digest, outcome, at });
        });
    }
}

/// All of it together: what remains beside the parts is asking the clock, and the way between them.
pub(crate) fn whole(world: &World, table: &mut Table) {
    let required_scopes = [keys::scope(3)];
    let ask = |secret: &str, full| {
        let question = Question {
            secret,
            client_ip: "10.0.2.9",
            required_scopes: required_scopes[..].into(),
            resource: "",
            class: "",
            cost: 1,
            full,
            without_hint: false,
        };
        let asked = world.introspection.introspect(&world.root, question);
        asked.now_or_never().expect("it is in memory").unwrap()
    };
    let good = &*world.usual().secret;
    assert_eq!(ask(good, false).decision.denial, None);
    assert_eq!(ask(&world.forged, false).decision.denial, Some(Denial::InvalidKey));
    let mut round = Round::new(&world.zipf);
    let name = "Introspect in this process";
    table.part(Is::Beside, name, "brief, zipf", || ask(&round.one(world).secret, false));
    table.part(Is::Beside, name, "full, zipf", || ask(&round.one(world).secret, true));
    table.part(Is::Beside, name, "forged", || ask(&world.forged, false));
    let malformed = good.get(..good.len() - 1).unwrap();
    table.part(Is::Beside, name, "malformed", || ask(malformed, false));
}
