//! Fuzz targets, replayed: every input that is kept, and changes of them by chance. Inputs are looked for by what they
//! cover with `tests/fuzz/run`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

#[path = "fuzz/alike.rs"]
mod alike;
#[path = "quick/asked.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod asked;
#[path = "hostile_policies/attack.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod attack;
#[path = "oracle/src/rules/networks.rs"]
mod bits;
#[path = "quick/both.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod both;
#[path = "oracle/src/rules/resources.rs"]
mod definition;
#[path = "fuzz/files.rs"]
mod files;
#[path = "fuzz/furniture.rs"]
mod furniture;
#[path = "fuzz/masks.rs"]
mod masks;
#[path = "fuzz/messages.rs"]
mod messages;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/networks.rs"]
mod networks;
#[path = "quick/policies.rs"]
mod policies;
#[path = "quick/ports.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod ports;
#[path = "kill/random.rs"]
mod random;
#[path = "policy_file/reader.rs"]
mod reader;
#[path = "fuzz/resources.rs"]
mod resources;
#[path = "fuzz/rpcs.rs"]
mod rpcs;
#[path = "fuzz/secrets.rs"]
mod secrets;
#[path = "fuzz/seeds.rs"]
mod seeds;
#[path = "quick/sent.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod sent;
#[path = "fuzz/service.rs"]
mod service;
#[path = "fuzz/targets.rs"]
mod targets;
#[path = "fuzz/tokens.rs"]
mod tokens;
#[path = "quick/world.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod world;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use prost_reflect::MethodDescriptor;
use random::{Random, seed};
use targets::{TARGETS, Target};

/// For how long changes are tried of the inputs of a target, and how many at the least.
const CHANCE: (Duration, usize) = (Duration::from_millis(500), 50);
/// Bytes of all inputs that are kept.
const CORPUS_MAX: u64 = 300 << 10;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

/// The inputs of a target, by their names.
fn inputs(target: &Target) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for file in fs::read_dir(corpus().join(target.name)).unwrap() {
        let file = file.unwrap();
        found.push((file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()));
    }
    found.sort();
    let seeds = seeds::seeds(target.name).into_iter().enumerate();
    found.extend(seeds.map(|(number, seed)| (format!("the seed {number}"), seed)));
    assert!(found.len() >= 10, "{} has {} inputs", target.name, found.len());
    found
}

/// Tells which input it was.
struct At<'a>(&'a str, String);

impl Drop for At<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the input of {} was {}", self.0, self.1);
        }
    }
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let inputs = inputs(target);
    for (file, input) in &inputs {
        let _at = At(name, file.clone());
        (target.run)(input);
    }
    let mut random = Random::new(seed(name));
    let (begun, mut tried) = (Instant::now(), 0);
    while begun.elapsed() < CHANCE.0 || tried < CHANCE.1 {
        let (_, input) = &inputs[random.below(inputs.len())];
        let changed = target.changed(input, &mut random);
        let _at = At(name, changed.escape_ascii().to_string());
        (target.run)(&changed);
        tried += 1;
    }
    println!("{name}: {} inputs, {tried} changes", inputs.len());
}

#[test]
fn every_rpc_has_a_message_made_by_hand_and_each_is_answered() {
    let mut host = service::Host::new();
    let mut seen = BTreeSet::new();
    for (name, json) in seeds::MESSAGES {
        let input = seeds::sent(name, 0, json);
        let told = host.run(async |service| {
            // Each begins with all there is.
            service.age = usize::MAX;
            let (rpc, root) = (rpcs::rpc(input[0]), service.secrets["root"].clone());
            let message = service::with_secrets(&input[2..], &service.secrets);
            service.send(Some(&root), &rpcs::path(rpc), &message).await
        });
        assert_eq!(told.code(), Some("0"), "{name} {json}: {told:?}");
        assert_eq!(told.raw_messages().len(), 1, "{name}");
        seen.insert(*name);
    }
    assert_eq!(seen, rpcs::RPCS.iter().map(MethodDescriptor::name).collect());
}

macro_rules! replays {
    ($($test:ident of $target:literal)*) => {
        $(
            #[test]
            fn $test() {
                replay($target);
            }
        )*

        #[test]
        fn every_target_is_replayed_and_has_inputs_that_are_few() {
            let named: BTreeSet<&str> = [$($target),*].into();
            assert_eq!(named, TARGETS.iter().map(|target| target.name).collect());
            let directories = fs::read_dir(corpus()).unwrap();
            let kept: BTreeSet<_> =
                directories.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            assert_eq!(kept, named.iter().map(|name| (*name).to_owned()).collect());
            let directories = TARGETS.iter().map(|target| corpus().join(target.name));
            let files = directories.flat_map(|directory| fs::read_dir(directory).unwrap());
            let size: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
            assert!(size <= CORPUS_MAX, "the inputs are {size} bytes");
        }
    };
}

replays! {
    the_bytes_of_questions_are_answered_alike_both_ways of "alike"
    a_policy_file_has_a_fault_that_stands_in_it_or_is_read_again_as_it_is_printed of "files"
    an_update_changes_exactly_what_its_mask_names of "masks"
    whatever_is_sent_is_answered_or_refused_without_a_trace of "messages"
    a_list_of_networks_is_what_its_bits_are of "networks"
    a_pattern_of_resources_matches_and_covers_by_its_definition of "resources"
    a_secret_is_recognised_if_and_only_if_it_is_spelled_as_ours_are of "secrets"
    a_page_token_shows_nothing_that_its_list_does_not of "tokens"
}
