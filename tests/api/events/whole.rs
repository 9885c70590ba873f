//! The filters of the log together, and what none of its events has.

use super::*;

#[tokio::test]
async fn filters_hold_together_and_page_by_page() {
    let (_server, mut root, _) = with_history().await;
    let log = all(&mut root).await;
    let key = |event: &proto::Event| {
        let time = event.create_time.unwrap();
        (time.seconds, time.nanos)
    };
    let subject = "workspaces/acme/keys/ci";
    let kinds = [EventKind::KeyRotated, EventKind::KeyRevoked, EventKind::WorkspaceUpdated];
    let of_key = |event: &proto::Event| event.subject == subject;
    let start = log.iter().find(|event| of_key(event)).unwrap();
    let end = log.iter().find(|event| event.kind() == EventKind::KeyRevoked).unwrap();
    // Each with each of the others, and all of them.
    for chosen in 0..32_u32 {
        let has = |filter: u32| chosen & (1 << filter) != 0;
        let filter = ListEventsRequest {
            parent: if has(0) { ACME.into() } else { String::new() },
            subject: if has(1) { subject.into() } else { String::new() },
            actor: if has(2) { ROOT.into() } else { String::new() },
            kinds: if has(3) { kinds.map(Into::into).into() } else { vec![] },
            start_time: start.create_time.filter(|_| has(4)),
            end_time: end.create_time.filter(|_| has(4)),
            ..Default::default()
        };
        let fits = |event: &&proto::Event| {
            (!has(0) || event.workspace == ACME)
                && (!has(1) || of_key(event))
                && (!has(2) || event.actor == ROOT)
                && (!has(3) || kinds.contains(&event.kind()))
                && (!has(4) || (key(start)..key(end)).contains(&key(event)))
        };
        let expected: Vec<_> = log.iter().filter(fits).cloned().collect();
        assert!(!expected.is_empty(), "{filter:?}");
        let (mut read, mut token) = (Vec::new(), String::new());
        loop {
            let part =
                ListEventsRequest { page_size: 2, page_token: token.clone(), ..filter.clone() };
            let (events, next) = page(&mut root, part).await;
            assert!(events.len() <= 2);
            read.extend(events);
            token = next;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(read, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn no_event_has_a_secret_or_what_is_kept_of_one() {
    let (server, mut root, secrets) = with_history().await;
    let keyring = keyward::keyring::load_or_create(&server.keyring, false, 0).unwrap();
    let log = format!("{:?}", all(&mut root).await);
    assert!(log.contains("workspaces/acme/keys/ci"));
    for secret in &secrets {
        assert!(!log.contains(secret), "a secret");
        let random = secret.rsplit('_').next().unwrap();
        for part in [&random[1..17], &random[17..33], &random[33..44]] {
            assert!(!log.contains(part), "a part of a secret");
        }
        let digest = keyring.recognise(secret).unwrap().digest;
        for text in written(digest.as_bytes()) {
            assert!(!log.contains(&text), "a digest");
        }
    }
}

/// Bytes in the ways in which a record might have them.
fn written(bytes: &[u8]) -> Vec<String> {
    use base64::{Engine as _, engine::general_purpose};
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = format!("{bytes:?}");
    let decimal = decimal.trim_matches(['[', ']']).to_owned();
    vec![
        hex.to_uppercase(),
        hex,
        decimal.replace(", ", ","),
        decimal,
        general_purpose::STANDARD_NO_PAD.encode(bytes),
        general_purpose::URL_SAFE_NO_PAD.encode(bytes),
        String::from_utf8_lossy(bytes).into_owned(),
    ]
}
