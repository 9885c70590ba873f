//! What commands print. A reader that went away is no error of the command.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// Prints a line to standard output: an answer.
pub(super) fn answer(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
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
