//! A directory in which commands run.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::process::{Process, Serving};

/// Programs that serve at the same time do not contend for one port.
const ANY_METRICS: Option<(&str, &str)> = Some(("KEYWARD__METRICS__LISTEN", "127.0.0.1:0"));

/// A directory of its own, at first empty, gone with the value.
pub(crate) struct Place(TempDir);

/// What a command that has ended left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names of what is in it.
    pub(crate) fn content(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command
            .args(arguments)
            .env_clear()
            .env("TMPDIR", self.0.path())
            .envs(ANY_METRICS.filter(|_| arguments == ["serve"]))
            .envs(variables.iter().copied())
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        self.command(arguments, variables).output().unwrap().into()
    }

    /// Runs a command whose answer goes to `stdout`, of which nothing is known then.
    pub(crate) fn run_into(&self, arguments: &[&str], stdout: impl Into<Stdio>) -> Ran {
        self.command(arguments, &[]).stdout(stdout).output().unwrap().into()
    }

    /// Starts a command that goes on until it is told to end.
    pub(crate) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        Process::start(self.command(arguments, variables))
    }

    /// Starts `keyward serve` on whatever port is free, and waits until it serves.
    pub(crate) fn serve(&self) -> Serving {
        Serving::await_of(self.start(&["serve"], &[("KEYWARD__SERVER__LISTEN", "127.0.0.1:0")]))
    }

    /// Mints the first key of a caller, and returns its secret.
    pub(crate) fn bootstrap(&self) -> String {
        self.run(&["bootstrap"]).succeeded().stdout.trim_end().to_owned()
    }

    /// How many events the log has, which is found whole.
    pub(crate) fn events(&self) -> u64 {
        let ran = self.run(&["events", "verify"]).succeeded();
        let count = ran.stdout.split_once(" events, unbroken. ");
        count.unwrap_or_else(|| panic!("{ran:?}")).0.parse().unwrap()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("the command ends by itself"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Takes nothing, as a full disk.
pub(crate) fn full() -> Stdio {
    fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads.
pub(crate) fn closed_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.status, 0, "{self:?}");
        self
    }

    /// Fails the test unless the command failed so, printed nothing as an answer, and said
    /// all of this.
    #[track_caller]
    pub(crate) fn failed(&self, status: i32, said: &[&str]) {
        assert_eq!((self.status, self.stdout.as_str()), (status, ""), "{self:?}");
        assert!(self.stderr.starts_with("keyward: "), "{self:?}");
        for said in said {
            assert!(self.stderr.contains(said), "{said} is not in {self:?}");
        }
    }
}
