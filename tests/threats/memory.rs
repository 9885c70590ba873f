//! What the memory of a replica gives away.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
};

use crate::world::{World, allowed, ask, end, mint};

/// Bytes that are read at a time, and those that two pieces share so that nothing lies between them.
const PIECE: usize = 1 << 20;
const OVERLAP: usize = 128;

/// Which of these texts are in the memory of a process that can be written.
fn found(process: u32, texts: &[&str]) -> Vec<bool> {
    let mut memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut found = vec![false; texts.len()];
    let zeros = vec![0; PIECE];
    let mut piece = vec![0; PIECE];
    for line in fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (begin, end) = range.split_once('-').unwrap();
        let [mut at, end] = [begin, end].map(|place| u64::from_str_radix(place, 16).unwrap());
        while at < end {
            let wanted = PIECE.min(usize::try_from(end - at).unwrap());
            memory.seek(SeekFrom::Start(at)).unwrap();
            // What is not there cannot be read.
            let read = memory.read(&mut piece[..wanted]).unwrap_or(0);
            if read == 0 {
                break;
            }
            if piece[..read] != zeros[..read] {
                let text = String::from_utf8_lossy(&piece[..read]);
                for (found, wanted) in found.iter_mut().zip(texts) {
                    *found |= text.contains(wanted);
                }
            }
            at += if read > OVERLAP && at + (read as u64) < end { read - OVERLAP } else { read }
                as u64;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_of_a_replica_has_no_secret_that_was_not_sent_to_it_and_no_signing_key_as_it_is_in_the_file()
 {
    let world = World::new().await;
    let mut serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    let secret = mint(&mut root, "acme", "ci", &["docs:read"]).await;
    let unsent = mint(&mut root, "acme", "kept", &["docs:read"]).await;
    end(&mut serving);

    let serving = world.deployment.serve().await;
    let mut root = world.caller(&serving).await;
    allowed(&ask(&mut root, &secret, "docs:read").await, "workspaces/acme/keys/ci");
    let keyring = fs::read_to_string(world.deployment.file("keyward.keyring")).unwrap();
    let keyring: serde_json::Value = serde_json::from_str(&keyring).unwrap();
    let signing = keyring["keys"][0]["key"].as_str().unwrap();
    assert_eq!(signing.len(), 64);
    let place = world.deployment.file("keyward.db").display().to_string();
    // The parts of the secrets that are random.
    let texts = [&place, &secret[10..42], &unsent[10..42], signing];
    let found = found(serving.id(), &texts);
    assert!(found[0], "the search finds what is there");
    // Whether what was sent is still in some buffer that was given back is left to chance.
    assert!(!found[2], "a secret that was never sent to this process");
    assert!(!found[3], "a signing key, as the file has it");
}
