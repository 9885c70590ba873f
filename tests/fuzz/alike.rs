//! The bytes of questions, answered the short way and the plain one.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use keyward::back::{Back, BackRuntime};

use crate::{
    sent::{Call, Sent, framed},
    service::with_secrets,
    world::World,
};

/// Who asks, by their keys.
const CALLERS: &[&str] =
    &["root", "asker", "root", "confined", "without-scope", "at-home", "ended", "cold"];

/// Whose secrets questions are about, besides those of who asks.
const ABOUT: &[&str] = &[
    "full",
    "reader",
    "granted",
    "bound",
    "expired",
    "revoked",
    "graced",
    "newer-of-graced",
    "replaced",
    "orphan",
    "narrow",
    "foreign",
    "sleeper",
    "veiled",
    "veiled-bound",
    "metered",
    "metered-too",
];

/// Questions after which all begins anew: keys expire.
const ASKED_MAX: usize = 50_000;

struct Host {
    runtime: BackRuntime,
    world: World,
    secrets: BTreeMap<String, String>,
    asked: usize,
    lines: crate::both::Lines,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::new());
}

impl Host {
    fn new() -> Self {
        let (runtime, back) = Back::start(1).unwrap();
        let (world, lines) = runtime.block_on(async {
            let world = World::furnished(back).await;
            let lines = world.both.connect();
            (world, lines)
        });
        let of = |name: &&str| ((*name).to_owned(), world.secret(name).to_owned());
        let secrets = CALLERS.iter().chain(ABOUT).map(of).collect();
        Self { runtime, world, secrets, asked: 0, lines }
    }
}

/// A byte says which call and what befalls it, a byte who asks; the rest is the message. Both ways are in step for as
/// long as there are inputs.
pub(crate) fn target(input: &[u8]) {
    let Some((&[what, who], message)) = input.split_first_chunk::<2>() else { return };
    HOST.with_borrow_mut(|host| {
        host.asked += 1;
        if host.asked > ASKED_MAX {
            *host = Host::new();
        }
        let Host { runtime, world, secrets, lines, .. } = host;
        let secret = world.secret(CALLERS[usize::from(who) % CALLERS.len()]);
        let message = with_secrets(message, secrets);
        let body = match what >> 4 {
            // In two parts, or cut off, or with more behind it.
            1 => {
                let whole = framed(&message);
                let (begin, end) = whole.split_at(whole.len() / 2);
                Sent::new([begin, end].map(|part| crate::sent::Part::Data(part.to_vec().into())))
            }
            2 => Sent::whole(framed(&message)[..4].to_vec()),
            3 => Sent::whole([framed(&message), vec![0]].concat()),
            _ => Sent::whole(framed(&message)),
        };
        let path = ["Introspect", "BatchIntrospect"][usize::from(what) % 2];
        let call = Call::new(secret, body).to(&format!("/keyward.v1.Introspect/{path}"));
        // So that limits are not spent for good.
        world.both.each(|way| way.clock.go_on(Duration::from_secs(1)));
        runtime.block_on(world.both.ask(lines, &call));
    });
}
