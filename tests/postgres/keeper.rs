//! Ends what a test has started where the test itself is killed and can end nothing.

use std::{
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Mutex,
};

/// Notes what is to be done. When the pipe closes without `done`, whatever the reason, it is.
const SCRIPT: &str = r#"
todo=
while read -r line; do
  [ "$line" != done ] || exit 0
  todo="$todo
$line"
done
eval "$todo"
"#;

/// A process that outlives this one for as long as it takes to clean up after it.
pub(crate) struct Keeper {
    child: Child,
    stdin: Mutex<Option<ChildStdin>>,
}

impl Keeper {
    pub(crate) fn start() -> Self {
        let mut child = Command::new("setsid")
            .args(["sh", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = Mutex::new(child.stdin.take());
        Self { child, stdin }
    }

    /// This line of a shell is to be run then.
    pub(crate) fn does(&self, line: &str) {
        if let Some(stdin) = &mut *self.stdin.lock().unwrap() {
            writeln!(stdin, "{line}").unwrap();
        }
    }

    /// What comes when this process is killed: the system closes the pipe. Whether all was ended.
    pub(crate) fn ends(&mut self) -> bool {
        self.stdin.lock().unwrap().take();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.does("done");
        self.stdin.lock().unwrap().take();
        let _ = self.child.wait();
    }
}
