//! The parts of the table, each measured by itself: what is divided by what is always of one part and of one round.

#[path = "parts/base.rs"]
mod base;
#[path = "parts/cores.rs"]
mod cores;
#[path = "parts/flood.rs"]
mod flood;
#[path = "parts/many.rs"]
mod many;
#[path = "parts/memory.rs"]
mod memory;
#[path = "parts/shapes.rs"]
mod shapes;
#[path = "parts/telemetry.rs"]
mod telemetry;
#[path = "parts/tls.rs"]
mod tls;

use crate::bench::Bench;

type Part = (&'static str, fn(&mut Bench));

/// In the order in which they are measured.
pub(crate) const ALL: &[Part] = &[
    ("base", base::measure),
    ("telemetry", telemetry::measure),
    ("tls", tls::measure),
    ("flood", flood::measure),
    ("cores", cores::measure),
    ("memory", memory::measure),
    ("many", many::measure),
    ("shapes", shapes::measure),
];
