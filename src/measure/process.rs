//! What the process takes of the machine, as Linux tells it in `/proc`.

use std::{fs, time::Duration};

/// What the process takes of the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    /// Bytes of memory that are its own at the moment.
    pub memory: u64,
    /// Time that it has had of the processors, in user mode and in the system.
    pub processor: [Duration; 2],
    /// Its threads.
    pub threads: u64,
    /// Files and connections that it has open.
    pub descriptors: u64,
}

impl Process {
    /// As it is now. None where the system does not tell.
    pub fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let descriptors = fs::read_dir("/proc/self/fd").ok()?.count();
        // One of them is the one by which they are listed.
        let descriptors = u64::try_from(descriptors).ok()?.saturating_sub(1);
        let page = u64::try_from(rustix::param::page_size()).ok()?;
        Self::parse(&stat, descriptors, rustix::param::clock_ticks_per_second(), page)
    }

    /// The fields of proc_pid_stat(5) that follow the name, which may hold anything.
    fn parse(stat: &str, descriptors: u64, ticks: u64, page: u64) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        // Counted from 1, the third is the first here.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let time = |number| Some(Duration::from_millis(field(number)? * 1_000 / ticks.max(1)));
        let processor = [time(14)?, time(15)?];
        Some(Self { memory: field(24)? * page, processor, threads: field(20)?, descriptors })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_fields_are_those_of_the_manual() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 8 0 0 0 250 50 0 0 20 0 9 0 100 9999 42 18446";
        let expected = Process {
            memory: 42 * 4_096,
            processor: [Duration::from_millis(2_500), Duration::from_millis(500)],
            threads: 9,
            descriptors: 3,
        };
        assert_eq!(Process::parse(stat, 3, 100, 4_096), Some(expected));
        assert_eq!(Process::parse("7 (a) S", 3, 100, 4_096), None);
    }

    #[test]
    fn this_process_takes_something() {
        let before = Process::read().unwrap();
        let _file = fs::File::open("/proc/self/stat").unwrap();
        let now = Process::read().unwrap();
        assert!(now.memory > 1 << 20 && now.threads >= 1, "{now:?}");
        assert!(now.descriptors >= 3 && before.descriptors >= 3, "{before:?} {now:?}");
    }
}
