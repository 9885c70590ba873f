//! A PostgreSQL server of a test's own, which it may stop and kill.

#[path = "keeper.rs"]
pub(crate) mod keeper;

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Output},
};

use keeper::Keeper;
use tempfile::TempDir;

const CONTROL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/ctl");

/// A running server. It ends with the value.
pub(crate) struct Server {
    pub(crate) directory: TempDir,
    /// The address of a database from which others may be made.
    pub(crate) url: String,
    keeper: Keeper,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut server = Self::nowhere();
        server.url = server.control("start");
        server
    }

    /// One that was not started yet. It ends with this process, also where that is killed.
    fn nowhere() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keeper = Keeper::start();
        let path = directory.path().display();
        keeper.does(&format!("'{CONTROL}' stop '{path}'; rm -rf '{path}'"));
        Self { directory, url: String::new(), keeper }
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

    /// One that follows it, and reads what it has.
    pub(crate) fn standby(&self) -> Self {
        let mut standby = Self::nowhere();
        let path = self.directory.path().to_str().unwrap();
        standby.url = standby.control_with("standby", &[path]);
        standby
    }

    /// What it is called among those that follow.
    pub(crate) fn name(&self) -> String {
        self.directory.path().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// From now on it follows none, and writes.
    pub(crate) fn promote(&self) {
        self.control("promote");
    }

    /// Changes a parameter, now.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.control_with("set", &[name, value]);
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let (_, rest) = self.url.rsplit_once('@').unwrap();
        rest.split_once('/').unwrap().0.parse().unwrap()
    }

    /// What becomes of it where this process is killed: whether it was ended, and where it was.
    pub(crate) fn leave(mut self) -> (bool, SocketAddr, PathBuf) {
        let (address, directory) = (self.address(), self.directory.path().to_owned());
        (self.keeper.ends(), address, directory)
    }

    fn run(&self, command: &str, more: &[&str]) -> Output {
        Command::new(CONTROL).arg(command).arg(self.directory.path()).args(more).output().unwrap()
    }

    fn control(&self, command: &str) -> String {
        self.control_with(command, &[])
    }

    fn control_with(&self, command: &str, more: &[&str]) -> String {
        let output = self.run(command, more);
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.run("stop", &[]);
    }
}
