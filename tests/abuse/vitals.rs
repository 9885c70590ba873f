//! What a process has of the machine, as Linux counts it.

use std::fs;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Vitals {
    /// Bytes in memory now.
    pub(crate) memory: u64,
    /// The most there were, since it was forgotten.
    pub(crate) peak: u64,
    /// Open files, connections and the like.
    pub(crate) descriptors: usize,
    /// Of these, connections.
    pub(crate) sockets: usize,
}

impl Vitals {
    pub(crate) fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
        };
        // Of what is closed meanwhile nothing can be read.
        let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        let open = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        let (mut descriptors, mut sockets) = (0, 0);
        for place in open {
            descriptors += 1;
            sockets += usize::from(place.to_string_lossy().starts_with("socket:"));
        }
        Self { memory: kib("VmRSS:"), peak: kib("VmHWM:"), descriptors, sockets }
    }

    /// From now on the peak is that of what follows (`man 5 proc_pid_clear_refs`).
    pub(crate) fn forget_peak(process: u32) {
        fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
    }
}
