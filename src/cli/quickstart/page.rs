//! How the show looks: at most 100 columns, and readable without colours.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    path::Path,
};

use anstyle::{AnsiColor, Style};

use crate::cli::output::show;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WRONG: Style = AnsiColor::Red.on_default().bold().invert();
const SECRET: Style = AnsiColor::Cyan.on_default();

/// How a request is told that may go on.
pub(super) const ALLOW: &str = "ALLOW";

/// Where the second column of every line begins.
const INDENT: usize = 20;

/// An explanation at the end of a line, or nothing.
struct Aside<'a>(&'a str);

impl Display for Aside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            text => write!(f, "  {DIM}{text}{DIM:#}"),
        }
    }
}

/// The headers of an answer, each on a line of its own.
struct Headers<'a>(&'a [String]);

impl Display for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|header| write!(f, "\n{:INDENT$}{DIM}{header}{DIM:#}", ""))
    }
}

/// One request that a backend receives.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// What it needs.
    pub(super) scope: &'static str,
    /// What it is about.
    pub(super) resource: &'static str,
    /// Where it comes from.
    pub(super) client: &'static str,
    /// Which secret it carries, in a word.
    pub(super) secret: &'static str,
}

/// What becomes of a request.
#[derive(PartialEq, Eq)]
pub(super) struct Outcome {
    /// With its reason.
    pub(super) decision: String,
    /// What the backend answers its client over HTTP.
    pub(super) status: i32,
    /// The headers of that answer, a line each.
    pub(super) headers: Vec<String>,
}

pub(super) fn title(address: SocketAddr, directory: &Path) {
    let version = env!("CARGO_PKG_VERSION");
    show(format_args!(
        "\n{BOLD}Keyward {version}{BOLD:#}  Whose key is this, what may it do, and may it do this?\n\n\
         Serving gRPC at {BOLD}{address}{BOLD:#} from {}",
        directory.display()
    ));
}

pub(super) fn heading(text: &str) {
    show(format_args!("\n{BOLD}{text}{BOLD:#}\n"));
}

/// A call that made a resource.
pub(super) fn made(call: &str, name: &str, about: &str) {
    show(format_args!("  {call:<17} {name:<32} {DIM}{about}{DIM:#}"));
}

/// A property of the resource made last.
pub(super) fn detail(label: &str, value: &str, about: &str) {
    show(format_args!("{:INDENT$}{DIM}{label:<10}{DIM:#} {value}{}", "", Aside(about)));
}

/// The secret of the resource made last.
pub(super) fn secret(secret: &str) {
    let styled = format!("{SECRET}{secret}{SECRET:#}");
    detail("secret", &styled, "shown once");
}

/// The heads of the columns of [`step`].
pub(super) fn columns() {
    show(format_args!(
        "{DIM}    {:<14}  {:<19}  {:<13}  {:<7}  {:<24}  HTTP{DIM:#}",
        "needs", "resource", "from", "secret", "decision"
    ));
}

/// A request with what became of it. What sets it apart from the usual one is bold, and what
/// should have become of it stands below where that is something else.
pub(super) fn step(row: &Row, usual: &Row, found: &Outcome, expected: &Outcome) {
    show(step_lines(row, usual, found, expected));
}

fn step_lines(row: &Row, usual: &Row, found: &Outcome, expected: &Outcome) -> String {
    let cell = |text: &str, usual: &str, width: usize| {
        let style = if text == usual { Style::new() } else { BOLD };
        format!("{style}{text:<width$}{style:#}")
    };
    let right = found == expected;
    let (mark, marked) = if right { ("✓", GOOD) } else { ("✗", WRONG) };
    let decided = if found.decision == ALLOW { GOOD } else { BAD };
    let mut lines = format!(
        "  {marked}{mark}{marked:#} {}  {}  {}  {}  {decided}{:<24}{decided:#}  {}{}",
        cell(row.scope, usual.scope, 14),
        cell(row.resource, usual.resource, 19),
        cell(row.client, usual.client, 13),
        cell(row.secret, usual.secret, 7),
        found.decision,
        found.status,
        Headers(&found.headers)
    );
    if !right {
        let Outcome { decision, status, headers } = expected;
        let should = format!("should be {decision}, {status}");
        let headers = Headers(headers);
        lines += &format!("\n{:INDENT$}{WRONG}{should}{WRONG:#}{headers}", "");
    }
    lines
}

/// What happens between two requests.
pub(super) fn change(what: &str, about: &str) {
    show(format_args!("  {what:<17} {about}"));
}

/// The same, with the secret that it led to.
pub(super) fn new_secret(what: &str, about: &str, secret: &str) {
    show(format_args!("  {what:<17} {about} {SECRET}{secret}{SECRET:#}"));
}

pub(super) fn verdict(steps: usize, wrong: usize) {
    match wrong {
        0 => show(format_args!(
            "\n{GOOD}All {steps} came out as they should.{GOOD:#} \
             Every change was in force when its call returned."
        )),
        _ => show(format_args!(
            "\n{WRONG}{wrong} of {steps} did not come out as they should.{WRONG:#}"
        )),
    }
}

/// Lines to be pasted, after what they are for.
pub(super) fn paste(about: &str, lines: &str) {
    show(format_args!("\n{BOLD}{about}{BOLD:#}\n\n{lines}"));
}

/// The last words.
pub(super) fn closing(text: &str) {
    show(format_args!("\n{DIM}{text}{DIM:#}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = Row { scope: "a", resource: "b", client: "c", secret: "d" };

    fn outcome(decision: &str, status: i32, headers: &[&str]) -> Outcome {
        let headers = headers.iter().map(|header| (*header).to_owned()).collect();
        Outcome { decision: decision.to_owned(), status, headers }
    }

    fn plain(found: &Outcome, expected: &Outcome) -> String {
        anstream::adapter::strip_str(&step_lines(&ROW, &ROW, found, expected)).to_string()
    }

    #[test]
    fn a_step_that_came_out_right_is_ticked() {
        let lines = plain(&outcome("DENY X", 401, &["N: v"]), &outcome("DENY X", 401, &["N: v"]));
        assert!(lines.starts_with("  ✓ a ") && lines.ends_with("401\n                    N: v"));
        assert!(!lines.contains("should"), "{lines}");
    }

    #[test]
    fn a_step_that_came_out_wrong_is_marked_and_told_how_it_should_be() {
        let expected = outcome("DENY X", 401, &["N: v"]);
        for found in [
            outcome(ALLOW, 401, &["N: v"]),
            outcome("DENY X", 403, &["N: v"]),
            outcome("DENY X", 401, &[]),
        ] {
            let lines = plain(&found, &expected);
            assert!(lines.starts_with("  ✗ a "), "{lines}");
            assert!(lines.contains("should be DENY X, 401\n"), "{lines}");
        }
    }

    #[test]
    fn what_differs_from_the_usual_is_bold() {
        let right = outcome(ALLOW, 200, &[]);
        let lines = step_lines(&Row { client: "other", ..ROW }, &ROW, &right, &right);
        assert!(lines.contains(&format!("{BOLD}other")), "{lines}");
        assert_eq!(lines.matches(&BOLD.to_string()).count(), 1, "{lines}");
    }
}
