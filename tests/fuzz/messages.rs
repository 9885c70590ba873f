//! Every request message, sent to the services.

use std::cell::RefCell;

use keyward::proto::{BatchCreateKeysResponse, CreateKeyResponse, RotateKeyResponse};
use prost::Message;
use prost_reflect::DynamicMessage;

use crate::{
    rpcs::{path, reads, rpc},
    sent::Told,
    service::{Host, Service, with_secrets},
};

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::new());
}

/// Who calls. None has no credentials.
const CALLERS: &[Option<&str>] = &[
    Some("root"),
    Some("bound"),
    Some("root"),
    Some("asker"),
    Some("bound"),
    Some("looker"),
    Some("fired"),
    Some("reader"),
    None,
];
/// INTERNAL, UNKNOWN, DATA_LOSS, and what says that something was given up: nothing here waits.
const NEVER: &[&str] = &["13", "2", "15", "4", "1", "14"];
/// What the caller that is bound to `workspaces/acme` never sees.
const FOREIGN: &[u8] = b"workspaces/other";

/// Of the byte that says who calls: that the same is sent again.
pub(crate) const AGAIN: u8 = 0x80;

/// A byte says which RPC, a byte who calls; the rest is the message.
pub(crate) fn target(input: &[u8]) {
    let Some((&[which, who], message)) = input.split_first_chunk::<2>() else { return };
    HOST.with_borrow_mut(|host| {
        host.run(async |service| {
            let first = ask(service, which, who, message).await;
            if who & AGAIN == 0 {
                return;
            }
            let second = ask(service, which, who, message).await;
            // A request that has an id is carried out once; who asked may have ended itself by it.
            if first.code == "0" && first.is_remembered {
                assert!(["0", "7", "16"].contains(&&*second.code), "{first:?} {second:?}");
                assert!(!second.has_written, "{input:02x?} {first:?} {second:?}");
            }
        });
    });
}

/// What came of a call.
#[derive(Debug)]
struct Outcome {
    code: String,
    has_written: bool,
    /// Whether the same is to be known again, if it was answered.
    is_remembered: bool,
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.len() >= part.len() && bytes.windows(part.len()).any(|window| window == part)
}

async fn ask(service: &mut Service, which: u8, who: u8, message: &[u8]) -> Outcome {
    let (rpc, who) = (rpc(which), CALLERS[usize::from(who & !AGAIN) % CALLERS.len()]);
    let message = with_secrets(message, &service.secrets);
    let secret = who.map(|who| service.secrets[who].clone());
    let before = service.state_before().await;
    let told = service.send(secret.as_deref(), &path(rpc), &message).await;
    let after = service.state().await;
    service.note(before, after);
    let code = told.code().unwrap_or_else(|| panic!("no status: {told:?}")).to_owned();
    let shown = || format!("{} by {who:?} {message:02x?}: {told:?}", rpc.name());
    assert!(!NEVER.contains(&&*code), "{}", shown());
    let is_ok = code == "0";
    let request = DynamicMessage::decode(rpc.input(), &*message);
    let field = |name| request.as_ref().ok()?.get_field_by_name(name);
    let checks_only = field("validate_only").is_some_and(|it| it.as_bool() == Some(true));
    let has_id = field("request_id").is_some_and(|it| it.as_str() != Some(""));
    if !is_ok || reads(rpc) || checks_only {
        assert_eq!(after, before, "{}", shown());
    }
    if is_ok && rpc.name() != "StreamIntrospect" {
        assert!(request.is_ok(), "what is no message is answered: {}", shown());
        assert_eq!(told.raw_messages().len(), 1, "{}", shown());
    } else if !is_ok && rpc.name() != "StreamIntrospect" {
        assert!(told.raw_messages().is_empty(), "{}", shown());
    }
    let answers: Vec<Vec<u8>> =
        told.raw_messages().iter().map(|bytes| without_new(service, rpc.name(), bytes)).collect();
    for answer in &answers {
        DynamicMessage::decode(rpc.output(), &**answer).unwrap();
    }
    if who == Some("bound") && !has(&message, FOREIGN) {
        assert!(!answers.iter().any(|answer| has(answer, FOREIGN)), "{}", shown());
    }
    check_silence(service, &told, &answers, is_ok.then_some(&message));
    if after != before && service.secrets.values().any(|secret| has(&message, tail(secret))) {
        service.written.push(message);
    }
    if code == "16" && [Some("root"), Some("bound")].contains(&who) {
        // It ended itself: without it there is little to be seen.
        service.age = usize::MAX;
    }
    let is_remembered = has_id && !checks_only;
    Outcome { code, has_written: after != before, is_remembered }
}

/// An answer without the secrets that it shows once, which are kept in mind.
fn without_new(service: &mut Service, method: &str, answer: &[u8]) -> Vec<u8> {
    let mut take = |secret: &mut String| {
        let secret = std::mem::take(secret);
        if !secret.is_empty() {
            assert!(service.keyring.recognise(&secret).is_some(), "{method} shows a secret");
            service.minted.push(secret);
        }
    };
    match method {
        "CreateKey" => {
            let mut answer = CreateKeyResponse::decode(answer).unwrap();
            take(&mut answer.secret);
            answer.encode_to_vec()
        }
        "RotateKey" => {
            let mut answer = RotateKeyResponse::decode(answer).unwrap();
            take(&mut answer.secret);
            answer.encode_to_vec()
        }
        "BatchCreateKeys" => {
            let mut answer = BatchCreateKeysResponse::decode(answer).unwrap();
            answer.responses.iter_mut().for_each(|answer| take(&mut answer.secret));
            answer.encode_to_vec()
        }
        _ => answer.to_vec(),
    }
}

/// Characters of a secret that are looked for, its last: errors may repeat a shorter run of letters and digits, of which
/// 17 would be its tag and its checksum.
const TAIL: usize = 33;

fn tail(secret: &str) -> &[u8] {
    &secret.as_bytes()[secret.len() - TAIL..]
}

/// That there is no secret in an answer nor a digest of one, but those that a caller wrote into what it changed.
fn check_silence(service: &Service, told: &Told, answers: &[Vec<u8>], written: Option<&Vec<u8>>) {
    let mut all = answers.concat();
    all.extend(format!("{:?} {:?}", told.headers, told.pieces.last()).bytes());
    // By their first two bytes.
    let mut begins = vec![false; 1 << 16];
    let place = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
    let newest = service.minted.iter().rev().take(16);
    let secrets: Vec<&String> = service.secrets.values().chain(newest).collect();
    let needles: Vec<Vec<u8>> = secrets
        .iter()
        .flat_map(|secret| {
            let digest = service.keyring.recognise(secret).unwrap().digest;
            [tail(secret).to_vec(), digest.as_bytes().to_vec()]
        })
        .collect();
    needles.iter().for_each(|needle| begins[place(needle)] = true);
    for at in 0..all.len().saturating_sub(1) {
        if !begins[place(&all[at..])] {
            continue;
        }
        for needle in needles.iter().filter(|needle| all[at..].starts_with(needle)) {
            assert!(
                service.written.iter().chain(written).any(|it| has(it, needle)),
                "an answer shows a secret: {told:?}"
            );
        }
    }
}
