#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

const SECONDS: i64 = 1_767_225_600;

fn key(byte: u8) -> CheckpointKey {
    CheckpointKey::new(&[byte; 32]).unwrap()
}

fn origin(text: &str) -> Origin {
    text.parse().unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: origin("keys.example.com/log"),
        head: Head { revision: Revision(1234), hash: Hash([7; 32]) },
        time: Timestamp::from_micros(SECONDS * SECOND),
    }
}

fn verifier(byte: u8) -> VerifierKey {
    VerifierKey { origin: origin("keys.example.com/log"), key: key(byte).public() }
}

fn refusal(note: &str) -> InvalidCheckpoint {
    open(note, &[verifier(1)]).unwrap_err()
}

#[test]
fn what_was_signed_is_read_back() {
    let signed = key(1).sign(&checkpoint());
    assert_eq!(open(&signed, &[verifier(2), verifier(1)]), Ok(checkpoint()));
    let lines: Vec<_> = signed.lines().collect();
    let text = ["keyward checkpoint v1", "keys.example.com/log", "1234"];
    assert_eq!(lines[..3], text);
    assert_eq!(lines[3..6], ["BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "1767225600", ""]);
    assert!(lines[6].starts_with("\u{2014} keys.example.com/log "), "{signed}");
    assert_eq!(lines.len(), 7);
}

/// The example in the documentation of golang.org/x/mod/sumdb/note.
#[test]
fn the_key_of_another_implementation_is_read_and_written() {
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let known: VerifierKey = text.parse().unwrap();
    assert_eq!(known.to_string(), text);
    assert_eq!(known.origin, origin("PeterNeumann"));
    let note = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let signature = STANDARD.decode("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=").unwrap();
    let (id, signature) = signature.split_first_chunk::<4>().unwrap();
    assert_eq!(*id, known.key.id(&known.origin));
    assert!(known.key.verifies(note, signature));
}

#[test]
fn every_edit_is_refused() {
    let signed = key(1).sign(&checkpoint());
    for (place, _) in signed.char_indices() {
        let (before, after) = signed.split_at(place);
        let mut letters = after.chars();
        let letter = letters.next().unwrap();
        let rest = letters.as_str();
        for edited in [
            format!("{before}{rest}"),
            format!("{before}{letter}{letter}{rest}"),
            format!("{before}{}{rest}", if letter == 'A' { 'B' } else { 'A' }),
            before.to_owned(),
        ] {
            assert!(open(&edited, &[verifier(1)]).is_err(), "{edited:?}");
        }
    }
    assert!(matches!(refusal(&signed.replace("1234", "1233")), InvalidCheckpoint::WrongSignature));
}

#[test]
fn another_key_is_named_and_refused() {
    let signed = key(2).sign(&checkpoint());
    let InvalidCheckpoint::UnknownKey { found } = refusal(&signed) else { unreachable!() };
    assert!(verifier(2).to_string().starts_with(&format!("{found}+")), "{found}");
}

#[test]
fn signatures_of_others_are_passed_over() {
    let (signed, other) = (key(1).sign(&checkpoint()), key(2).sign(&checkpoint()));
    let witness = other.lines().last().unwrap();
    let both = format!("{signed}{witness}\n");
    assert_eq!(open(&both, &[verifier(1)]), Ok(checkpoint()));
    assert_eq!(open(&both, &[verifier(2)]), Ok(checkpoint()));
}

#[test]
fn what_is_signed_for_another_log_is_refused() {
    let other = Checkpoint { origin: origin("other"), ..checkpoint() };
    let text = other.text();
    let mut bytes = verifier(1).key.id(&checkpoint().origin).to_vec();
    bytes.extend_from_slice(key(1).0.sign(text.as_bytes()).as_ref());
    let note = format!("{text}\n\u{2014} keys.example.com/log {}\n", STANDARD.encode(bytes));
    let expected = checkpoint().origin;
    assert_eq!(refusal(&note), InvalidCheckpoint::OtherLog { found: other.origin, expected });
}

#[test]
fn what_is_no_checkpoint_is_refused_however_it_is_signed() {
    let texts = [
        "keyward checkpoint v2\nkeys.example.com/log\n1\n{hash}\n1\n",
        "keyward checkpoint v1\nkeys.example.com/log\n01\n{hash}\n1\n",
        "keyward checkpoint v1\nkeys.example.com/log\n+1\n{hash}\n1\n",
        "keyward checkpoint v1\nkeys.example.com/log\n-1\n{hash}\n1\n",
        "keyward checkpoint v1\nkeys.example.com/log\n1\n{hash}\n1\nmore\n",
        "keyward checkpoint v1\nkeys.example.com/log\n1\n{hash}\n",
        "keyward checkpoint v1\nkeys.example.com/log\n1\nBwc=\n1\n",
        "keyward checkpoint v1\nkeys.example.com/log\n1\n{hash}\n9223372036854775807\n",
        "keys.example.com/log\n1\n{hash}\n",
    ];
    for text in texts {
        let text = text.replace("{hash}", &STANDARD.encode([7; 32]));
        let mut bytes = verifier(1).key.id(&checkpoint().origin).to_vec();
        bytes.extend_from_slice(key(1).0.sign(text.as_bytes()).as_ref());
        let note = format!("{text}\n\u{2014} keys.example.com/log {}\n", STANDARD.encode(bytes));
        assert_eq!(
            refusal(&note),
            InvalidCheckpoint::Malformed("its text cannot be read"),
            "{text}"
        );
    }
    let long = key(1).sign(&checkpoint()) + &"x".repeat(NOTE_LEN_MAX);
    assert_eq!(refusal(&long), InvalidCheckpoint::Malformed("it is too long"));
    let carriage = key(1).sign(&checkpoint()).replace('\n', "\r\n");
    assert_eq!(refusal(&carriage), InvalidCheckpoint::Malformed("it has control characters"));
}

#[test]
fn origins_are_names_of_keys_in_signed_notes() {
    for text in ["", "a b", "a+b", "a\n", "é", "\u{a0}", &"x".repeat(ORIGIN_LEN_MAX + 1)] {
        assert_eq!(text.parse::<Origin>(), Err(InvalidOrigin), "{text:?}");
    }
    for text in ["keyward", "keys.example.com/log", &"x".repeat(ORIGIN_LEN_MAX)] {
        assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_public_key_is_refused() {
    let text = verifier(1).to_string();
    assert_eq!(text.parse(), Ok(verifier(1)));
    let (start, end) = text.split_at(text.len() - 1);
    let wrong = [start.to_owned(), format!("x{text}"), format!("{start}{end}{end}"), String::new()];
    for wrong in wrong {
        assert_eq!(wrong.parse::<VerifierKey>(), Err(InvalidVerifierKey), "{wrong}");
    }
}
