//! What the processes take of memory and descriptors, each second.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::{cluster::REPLICAS, load::World};

const INTERVAL: Duration = Duration::from_secs(1);

/// What one process took at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Seconds since the first.
    pub(crate) at: f64,
    pub(crate) replica: usize,
    pub(crate) process: u32,
    /// Physical memory (`VmRSS`).
    pub(crate) memory_kib: f64,
    pub(crate) descriptors: u64,
    /// Whether nothing was being broken.
    pub(crate) is_quiet: bool,
}

/// None: the process has just ended.
fn look(process: u32) -> Option<(f64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let memory = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
    Some((memory, descriptors as u64))
}

/// Looks at all processes each second until it is over.
pub(crate) async fn take(
    world: Arc<World>,
    begun: Instant,
    over: CancellationToken,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut interval = tokio::time::interval(INTERVAL);
    while !over.is_cancelled() {
        interval.tick().await;
        for replica in 0..REPLICAS {
            let Some((process, _)) = world.cluster.running(replica) else { continue };
            let Some((memory_kib, descriptors)) = look(process) else { continue };
            let (at, is_quiet) = (begun.elapsed().as_secs_f64(), world.tally.is_quiet());
            samples.push(Sample { at, replica, process, memory_kib, descriptors, is_quiet });
        }
    }
    samples
}
