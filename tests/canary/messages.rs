//! No message prints a secret that it carries.

use std::collections::{BTreeMap, BTreeSet};

use keyward::proto;
use prost::Message as _;
use prost_types::FileDescriptorSet;

const SECRET: &str = "acme_live_0CanaryCanaryCanaryCanaryCanaryCanaryCanaryCanary";

/// The messages of the API that carry a secret, by themselves or in a message within.
fn with_secret() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(proto::DESCRIPTOR_SET).unwrap();
    let ours = set.file.into_iter().filter(|file| file.package() == "keyward.v1");
    let messages: BTreeMap<String, Vec<_>> = ours
        .flat_map(|file| file.message_type)
        .map(|message| (format!(".keyward.v1.{}", message.name()), message.field))
        .collect();
    let mut found = BTreeSet::new();
    loop {
        let more: Vec<&String> = messages
            .iter()
            .filter(|(name, _)| !found.contains(*name))
            .filter(|(_, fields)| {
                fields
                    .iter()
                    .any(|field| field.name() == "secret" || found.contains(field.type_name()))
            })
            .map(|(name, _)| name)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more.into_iter().cloned());
    }
}

/// How each of them is printed, by its name.
fn printed() -> Vec<(&'static str, String)> {
    macro_rules! both {
        ($message:ident $fields:tt) => {{
            let message = proto::$message $fields;
            let travels = String::from_utf8_lossy(&message.encode_to_vec()).contains(SECRET);
            assert!(travels, "the message carries the secret");
            (concat!(".keyward.v1.", stringify!($message)), format!("{message:?} {message:#?}"))
        }};
    }
    let secret = || SECRET.to_owned();
    let question = || proto::IntrospectRequest { secret: secret(), ..Default::default() };
    let made = || proto::CreateKeyResponse { secret: secret(), ..Default::default() };
    vec![
        both!(IntrospectRequest { secret: secret(), ..Default::default() }),
        both!(BatchIntrospectRequest { requests: vec![question(); 2] }),
        both!(StreamIntrospectRequest { id: 1, request: Some(question()) }),
        both!(IdentifyKeyRequest { secret: secret() }),
        both!(CreateKeyResponse { secret: secret(), ..Default::default() }),
        both!(BatchCreateKeysResponse { responses: vec![made(); 2] }),
        both!(RotateKeyResponse { secret: secret(), ..Default::default() }),
    ]
}

#[test]
fn every_message_with_a_secret_is_printed_without_it() {
    let printed = printed();
    let names: BTreeSet<String> = printed.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, with_secret(), "a message with a secret has no row here, or is gone");
    for (name, text) in printed {
        assert!(!text.contains("Canary"), "{name}: {text}");
    }
}
