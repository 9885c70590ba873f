//! What commands print. A reader that went away is an error only of what is printed [`once`],
//! and of [`bytes`].

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// Prints a line to standard output: an answer.
///
/// # Errors
///
/// Where it cannot be written, unless because its reader went away.
pub(super) fn answer(line: impl Display) -> io::Result<()> {
    match once(line) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Prints a line to standard output that is lost unless somebody reads it.
///
/// # Errors
///
/// Where it cannot be written.
pub(super) fn once(line: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Writes bytes to standard output, which are of no use unless they are whole.
///
/// # Errors
///
/// Where they cannot be written.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Prints a line with styles to standard output, and without them where it is no terminal
/// or the user wants none (<https://no-color.org>).
pub(super) fn show(line: impl Display) {
    let _ = writeln!(anstream::stdout().lock(), "{line}");
}

/// Prints a line to standard error: about the command.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints why a command failed.
pub(super) fn complain(error: &impl Display) {
    note(format_args!("keyward: {error}"));
}
