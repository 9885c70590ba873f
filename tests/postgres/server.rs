//! A PostgreSQL server of a test's own, which it may stop and kill.

use std::process::{Command, Output};

use tempfile::TempDir;

/// A running server. It ends with the value.
pub(crate) struct Server {
    directory: TempDir,
    /// The address of a database from which others may be made.
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self { directory, url: String::new() };
        server.url = server.control("start");
        server
    }

    /// Starts it where it was killed.
    pub(crate) fn start_again(&self) {
        assert_eq!(self.control("start"), self.url);
    }

    /// Stops all its processes: connections stay and nothing answers.
    pub(crate) fn pause(&self) {
        self.control("pause");
    }

    pub(crate) fn resume(&self) {
        self.control("resume");
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&self) {
        self.control("kill");
    }

    fn run(&self, command: &str) -> Output {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/ctl");
        Command::new(program).arg(command).arg(self.directory.path()).output().unwrap()
    }

    fn control(&self, command: &str) -> String {
        let output = self.run(command);
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.run("stop");
    }
}
