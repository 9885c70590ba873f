//! A private Redis that a test stops and starts.

use std::{path::Path, process::Command};

/// A server of the test's own, which ends with the value.
pub(crate) struct Server(tempfile::TempDir);

impl Server {
    /// One that does not run yet.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where it keeps what it needs.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Does what the script does by this name, and gives what it says: its address, at a start.
    pub(crate) fn ctl(&self, command: &str) -> String {
        let ctl = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/redis/ctl");
        let output = Command::new(ctl).arg(command).arg(self.0.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ctl("stop");
    }
}
