//! A command that goes on until it is told to end.

use std::{
    io::{BufRead as _, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::place::Ran;

/// More than anything takes, even on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

/// A running command; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

/// `keyward serve`, ready.
pub(crate) struct Serving {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

/// The lines that a process prints, as they come.
pub(crate) struct Lines {
    coming: Receiver<String>,
    seen: String,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Sends a signal such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Sends a signal and waits for the end. All that was ever printed is in the answer.
    pub(crate) fn end(mut self, signal: &str) -> Ran {
        self.signal(signal);
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let status = self.child.wait().unwrap().code().expect("the process ends by itself");
        Ran { status, stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// Waits until the server says where it serves.
    pub(crate) fn await_of(mut process: Process) -> Self {
        let line = process.stderr.until(" serving address=");
        let (_, rest) = line.split_once(" serving address=").unwrap();
        let address = rest.split(' ').next().unwrap().parse().unwrap();
        Self { process, address }
    }

    pub(crate) fn end(self) -> Ran {
        self.process.end("TERM")
    }
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, coming) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stream)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { coming, seen: String::new() }
    }

    /// The first line to come that contains the text.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.coming.recv_timeout(LONG);
            let line =
                line.unwrap_or_else(|error| panic!("{error}: {text} is not in {}", self.seen));
            self.seen += &line;
            self.seen.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// All that came until now.
    pub(crate) fn seen(&self) -> &str {
        &self.seen
    }

    /// All that was printed, once nothing more can come.
    #[track_caller]
    fn all(&mut self) -> String {
        loop {
            match self.coming.recv_timeout(LONG) {
                Ok(line) => self.seen += &(line + "\n"),
                Err(mpsc::RecvTimeoutError::Disconnected) => return std::mem::take(&mut self.seen),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("the process does not end: {}", self.seen)
                }
            }
        }
    }
}
