//! How many questions a server answers in a second, how fast, and for how much CPU: the server
//! that everybody ships and ours, in turns, on one core, with the load from another.
//!
//! `cargo bench --bench load [-- --json FILE] [--quick] [--rounds N] [--only PART]… [--also FILE]…`
//!
//! Parts, of which each says what it measures where it is written: `base`, `telemetry`, `tls`, `flood`, `cores`,
//! `memory`, `many`, `shapes`; or `none`. `--also` names a file of figures that another bench wrote: they are put into
//! the table.
//!
//! Ends with an error where an answer is not what it has to be.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark"
)]

#[path = "load/answers.rs"]
mod answers;
#[path = "../tests/tls/authority.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod authority;
#[path = "load/bench.rs"]
mod bench;
#[path = "../tests/kill/caller.rs"]
mod caller;
#[path = "load/cases.rs"]
mod cases;
#[path = "load/connection.rs"]
mod connection;
#[path = "load/drive.rs"]
mod drive;
#[path = "load/figures.rs"]
mod figures;
#[path = "http2/wire.rs"]
mod http2;
#[path = "load/keys.rs"]
mod keys;
#[path = "load/parts.rs"]
mod parts;
#[path = "load/questions.rs"]
mod questions;
#[path = "load/servers.rs"]
mod servers;
#[path = "load/socket.rs"]
mod socket;
#[path = "load/stock.rs"]
mod stock;
#[path = "load/tally.rs"]
mod tally;

use std::fs;

use bench::{Bench, LOAD_CORE, Size, stay_on};
use figures::Figures;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut bench = Bench { size: Size::whole(), figures: Figures::default() };
    let (mut only, mut file, mut rounds) = (Vec::new(), None, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap();
        match &*argument {
            "--stock" => return stock::serve(value().parse().unwrap()),
            "--collector" => return stock::collect(value().parse().unwrap()),
            "--json" => file = Some(value()),
            "--also" => bench.figures.take(&fs::read_to_string(value()).unwrap()),
            "--only" => only.push(value()),
            "--rounds" => rounds = Some(value().parse().unwrap()),
            "--quick" => bench.size = Size::quick(),
            // What `cargo bench` says of itself.
            "--bench" => {}
            unknown => panic!("what is {unknown}?"),
        }
    }
    bench.size.rounds = rounds.unwrap_or(bench.size.rounds);
    let is_known =
        |name: &String| name == "none" || parts::ALL.iter().any(|(part, _)| part == name);
    assert!(only.iter().all(is_known), "there is no such part: {only:?}");
    keys::tidy();
    stock::build();
    for (name, part) in parts::ALL {
        if only.is_empty() || only.iter().any(|only| only == name) {
            println!("\n{name}");
            stay_on(&[LOAD_CORE]);
            part(&mut bench);
        }
    }
    bench.figures.print();
    if let Some(file) = file {
        fs::write(file, bench.figures.json()).unwrap();
    }
}
