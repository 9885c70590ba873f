//! Samples that were doctored: what grows is seen, and what does not is not.

use super::{Memory, descriptors, memory};
use crate::samples::Sample;

/// Half an hour of one replica, each second.
const SPAN: f64 = 1_800.0;
const FLOOR_KIB: f64 = 16_384.0;
const BASE_KIB: f64 = 81_920.0;

fn samples(of: impl Fn(f64) -> (f64, u64)) -> Vec<Sample> {
    let sample = |second: u32| {
        let at = f64::from(second);
        let (memory_kib, descriptors) = of(at);
        // Something is broken half of the time.
        let is_quiet = second % 20 < 10;
        Sample { at, replica: 0, process: 1, memory_kib, descriptors, is_quiet }
    };
    (0..1_800).map(sample).collect()
}

/// As much as memory goes up and down by itself.
fn noise(at: f64) -> f64 {
    2_048.0 * (at / 40.0).sin() + 1_024.0 * (at * 7.7).sin()
}

#[track_caller]
fn judged(samples: &[Sample]) -> Memory {
    let all = memory(samples, SPAN, FLOOR_KIB);
    let mut judged = all.into_iter().filter(|it| it.is_judged);
    let one = judged.next().unwrap();
    assert!(judged.next().is_none());
    one
}

#[test]
fn memory_that_goes_up_and_down_is_flat() {
    let found = judged(&samples(|at| (BASE_KIB + noise(at), 40)));
    assert!(found.is_flat(), "{found:?}");
    assert!(found.slope_kib_per_hour.abs() < 1_024.0, "{found:?}");
}

#[test]
fn a_leak_of_eight_kib_a_second_is_seen_beneath_all_that() {
    let found = judged(&samples(|at| (BASE_KIB + noise(at) + 8.0 * at, 40)));
    assert!(!found.is_flat(), "{found:?}");
    assert!((found.slope_kib_per_hour - 8.0 * 3_600.0).abs() < 1_024.0, "{found:?}");
    assert!((found.least_squares_kib_per_hour - 8.0 * 3_600.0).abs() < 1_024.0, "{found:?}");
}

#[test]
fn a_leak_that_only_faults_leave_behind_is_seen() {
    // A mebibyte at each, one a minute.
    let found = judged(&samples(|at| (BASE_KIB + noise(at) + 1_024.0 * (at / 60.0).floor(), 40)));
    assert!(!found.is_flat(), "{found:?}");
}

#[test]
fn what_is_filled_while_it_warms_up_is_no_leak_nor_is_what_comes_and_goes() {
    let warm = |at: f64| BASE_KIB * (1.0 - (-at / 100.0).exp());
    let found = judged(&samples(|at| (warm(at) + noise(at), 40)));
    assert!(found.is_flat(), "{found:?}");
    // A tenth of the time there is half as much more, more often in the end.
    let burst = |at: f64| if at % 100.0 < at / 180.0 { BASE_KIB / 2.0 } else { 0.0 };
    let found = judged(&samples(|at| (BASE_KIB + noise(at) + burst(at), 40)));
    assert!(found.is_flat(), "{found:?}");
}

#[test]
fn a_process_that_began_anew_is_looked_at_by_itself_and_not_while_it_is_young() {
    let mut samples = samples(|at| (BASE_KIB + noise(at), 40));
    for sample in &mut samples {
        if sample.at >= 1_000.0 {
            sample.process = 2;
            sample.memory_kib = BASE_KIB / 2.0 + (sample.at - 1_000.0).min(100.0) * 400.0;
        }
    }
    let found = memory(&samples, SPAN, FLOOR_KIB);
    let spans: Vec<_> = found.iter().map(|it| (it.process, it.from, it.to)).collect();
    assert_eq!(spans, [(1, 600.0, 999.0), (2, 1_300.0, 1_799.0)]);
    assert!(found.iter().all(|it| !it.is_judged && it.is_flat()), "{found:?}");
}

#[test]
fn descriptors_that_are_not_given_back_are_seen() {
    let count = |at: f64, leak: f64| 40 + (at % 13.0) as u64 + (leak * at) as u64;
    let found = |leak: f64| descriptors(&samples(|at| (BASE_KIB, count(at, leak))), SPAN)[0];
    assert!(found(0.0).are_flat(), "{:?}", found(0.0));
    // One in a minute.
    assert!(!found(1.0 / 60.0).are_flat(), "{:?}", found(1.0 / 60.0));
    // More while something is broken are not more in the end.
    let busy = samples(|at| (BASE_KIB, if at % 20.0 < 10.0 { 40 } else { 40 + at as u64 }));
    assert!(descriptors(&busy, SPAN)[0].are_flat());
}
