//! `keyward policy explain`.

use std::{fmt::Write as _, process::ExitCode};

use super::super::{Failure, failure, output};
use crate::domain::{
    policy::{
        CompiledPolicy, Policy, Scope,
        compiled::unknown,
        explain::{By, Explanation, Step, explain},
    },
    scope::is_of_glob,
};

/// Prints what a scope grants, or what the preset and the role of this name hold: on each
/// line what is said, of what, and why.
pub(super) fn run(policy: &CompiledPolicy, name: &str) -> Result<ExitCode, Failure> {
    let lines = match explain(policy, name) {
        Some(explanation) => lines(&explanation),
        None => lists(policy, name),
    };
    if lines.is_empty() {
        return Err(failure(unknown("scope", name, policy.nearest_scope(name))));
    }
    output::answer(table(&lines))?;
    Ok(ExitCode::SUCCESS)
}

/// What the preset and the role of a name hold, and what their globs withhold.
fn lists(policy: &CompiledPolicy, name: &str) -> Vec<Line> {
    let Policy { presets, roles, scopes, .. } = policy.document();
    let presets = presets.iter().map(|it| ("preset", &it.name, &it.description, &it.scopes));
    let roles = roles.iter().map(|it| ("role", &it.name, &it.description, &it.scopes));
    let mut lines = Vec::new();
    for (kind, name, description, texts) in presets.chain(roles).filter(|it| it.1 == name) {
        lines.push((kind, name.clone(), description.clone()));
        let all = if kind == "preset" { policy.preset(name) } else { policy.role(name) };
        let (held, other): (Vec<&Scope>, Vec<&Scope>) = scopes.iter().partition(|scope| {
            policy.scope(&scope.name).is_some_and(|id| all.is_some_and(|all| all.contains(id)))
        });
        let glob = |name: &str| texts.iter().find(|glob| is_of_glob(glob, name));
        lines.extend(held.into_iter().map(|Scope { name, .. }| {
            let by = match glob(name) {
                _ if texts.contains(name) => "by name".to_owned(),
                Some(glob) => format!("by glob {glob:?}"),
                None => "implied".to_owned(),
            };
            ("holds", name.clone(), by)
        }));
        lines.extend(other.into_iter().filter_map(|Scope { name, .. }| {
            let why = format!("isolated; by glob {:?}", glob(name)?);
            Some(("withheld", name.clone(), why))
        }));
    }
    lines
}

/// What is said, of what, and why; an empty part is left out.
type Line = (&'static str, String, String);

fn lines(explanation: &Explanation<'_>) -> Vec<Line> {
    let Explanation { scope, reached, withheld, presets, roles } = explanation;
    let mut lines = vec![("scope", scope.name.clone(), scope.description.clone())];
    if !scope.class.is_empty() {
        lines.push(("class", scope.class.clone(), String::new()));
    }
    if scope.isolated {
        lines.push((
            "isolated",
            scope.name.clone(),
            "no glob, rule or preset reaches it".to_owned(),
        ));
    }
    lines.extend(reached.iter().map(|step| ("grants", step.scope.name.clone(), reason(step))));
    lines.extend(
        withheld.iter().map(|step| {
            ("withheld", step.scope.name.clone(), format!("isolated; {}", reason(step)))
        }),
    );
    lines.extend(presets.iter().map(|(preset, over)| {
        let why = over.map(|over| format!("over {over}")).unwrap_or_default();
        ("preset", (*preset).to_owned(), why)
    }));
    lines.extend(roles.iter().map(|role| ("role", (*role).to_owned(), String::new())));
    lines
}

fn reason(step: &Step<'_>) -> String {
    let of = &step.of.name;
    match step.by {
        By::Name => format!("by name, of {of}"),
        By::Glob(glob) => format!("by glob {glob:?}, of {of}"),
        By::Rule(form, implied) => format!("by rule {form} -> {implied}, of {of}"),
    }
}

/// The lines in columns.
fn table(lines: &[Line]) -> String {
    let kinds = lines.iter().map(|(kind, ..)| kind.len()).max().unwrap_or_default();
    let names = lines.iter().map(|(_, name, _)| name.len()).max().unwrap_or_default();
    let mut table = String::new();
    for (kind, name, why) in lines {
        let line = format!("{kind:kinds$}  {name:names$}  {why}");
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table.trim_end().to_owned()
}
