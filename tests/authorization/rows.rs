//! The table of who may call what, as `table.txt` has it.

use std::fmt::Write as _;

const TEXT: &str = include_str!("table.txt");

/// What a caller is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is carried out.
    Carried,
    /// It is carried out, as if what it is asked about were not there.
    Hidden,
    NotFound,
    Denied,
}

impl Answer {
    fn parse(text: &str) -> Self {
        match text {
            "OK" => Self::Carried,
            "HIDDEN" => Self::Hidden,
            "NOT_FOUND" => Self::NotFound,
            "PERMISSION_DENIED" => Self::Denied,
            _ => panic!("table.txt: no answer is called {text}"),
        }
    }

    fn told(self) -> &'static str {
        match self {
            Self::Carried => "OK",
            Self::Hidden => "OK, without it",
            Self::NotFound => "NOT_FOUND",
            Self::Denied => "PERMISSION_DENIED",
        }
    }
}

/// One row of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// `keyward.v1.KeyAdmin/CreateKey`.
    pub(crate) call: &'static str,
    /// What its request names.
    pub(crate) about: &'static str,
    /// The scope that the caller needs. None: not even credentials.
    pub(crate) scope: Option<&'static str>,
    /// What a caller is answered that is bound to nothing.
    pub(crate) free: Answer,
    /// What a bound one is, about its own workspace, and about another.
    pub(crate) own: Answer,
    pub(crate) other: Answer,
}

impl Row {
    /// `CreateKey`.
    pub(crate) fn method(&self) -> &'static str {
        self.call.split_once('/').unwrap().1
    }

    pub(crate) fn path(&self) -> String {
        format!("/{}", self.call)
    }
}

fn lines() -> impl Iterator<Item = &'static str> {
    TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Every row.
pub(crate) fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [call, about, scope, free, own, other] = cells[..] else { panic!("table.txt: {line}") };
        let [free, own, other] = [free, own, other].map(Answer::parse);
        Row { call, about, scope: Some(scope).filter(|scope| *scope != "-"), free, own, other }
    };
    lines().filter(|line| !line.starts_with('=')).map(row).collect()
}

/// Every scope, with those that it implies.
pub(crate) fn scopes() -> Vec<(&'static str, Vec<&'static str>)> {
    let scope = |line: &'static str| {
        let mut names = line.strip_prefix('=')?.split_whitespace();
        Some((names.next().unwrap(), names.collect()))
    };
    lines().filter_map(scope).collect()
}

/// The table for readers: the calls of each scope, those that are answered alike together.
pub(crate) fn markdown() -> String {
    let mut text = "| scope | has too | lets call | its own workspace | another workspace |\n|---|---|---|---|---|\n".to_owned();
    for (scope, implied) in scopes() {
        let quoted =
            |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        let mut implied = if scope == "*" { "all".to_owned() } else { quoted(&implied).join(", ") };
        let mut kinds: Vec<(Answer, Answer, Vec<String>)> = Vec::new();
        for row in rows().into_iter().filter(|row| row.scope == Some(scope)) {
            let call = match (row.method(), row.about) {
                (method @ ("GetUsage" | "ListEvents"), "nothing") => format!("`{method}` of all"),
                (method @ ("GetUsage" | "ListEvents"), about) => format!("`{method}` of a {about}"),
                (method, _) => format!("`{method}`"),
            };
            match kinds.iter_mut().find(|(own, other, _)| (*own, *other) == (row.own, row.other)) {
                Some((.., calls)) => calls.push(call),
                None => kinds.push((row.own, row.other, vec![call])),
            }
        }
        if kinds.is_empty() {
            writeln!(text, "| `{scope}` | {implied} |  |  |  |").unwrap();
        }
        for (own, other, calls) in kinds {
            let (calls, own, other) = (calls.join(", "), own.told(), other.told());
            writeln!(text, "| `{scope}` | {implied} | {calls} | {own} | {other} |").unwrap();
            implied.clear();
        }
    }
    text
}
