//! `keyward policy`.

mod explain;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::ExitCode,
};

use clap::{Args, Subcommand};

use super::{Failure, failure, output};
use crate::{
    domain::{
        name::{Id, PolicyName},
        policy::Policy,
    },
    policy_file::{FileFaults, Language, PolicyFile, SIZE_MAX},
    proto,
};

/// A mask of all fields as grpcurl reads it: as the message that it is, and not as the text
/// that protobuf's JSON has for it.
const ALL_FIELDS: &str = r#"{"paths": ["*"]}"#;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read a policy file and name all that is wrong with it, by line and column
    Check {
        /// The file; - is standard input
        file: String,
    },
    /// Print a policy file as JSON, for calls of KeyAdmin
    Json {
        /// The file; - is standard input
        file: String,
        #[command(flatten)]
        request: Request,
    },
    /// Say what a scope grants, by what, and who has it, or what a preset or a role holds
    Explain {
        /// The file; - is standard input
        file: String,
        /// The name of a scope in it; else of a preset or a role
        name: String,
    },
    /// Print the JSON Schema of policy files, for editors
    Schema,
}

/// What the JSON is for.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(super) struct Request {
    /// Print a whole CreatePolicyRequest that makes policies/ID
    #[arg(long, value_name = "ID")]
    create: Option<Id>,
    /// Print a whole UpdatePolicyRequest that changes all of policies/ID
    #[arg(long, value_name = "ID")]
    update: Option<Id>,
}

pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    let language = Language::new()?;
    match command {
        Command::Check { file } => on_file(&language, &file, |read| check(&file, &read)),
        Command::Json { file, request } => {
            on_file(&language, &file, |read| json(&language, request, read.message))
        }
        Command::Explain { file, name } => {
            on_file(&language, &file, |read| explain::run(&read.policy, &name))
        }
        Command::Schema => {
            output::answer(language.schema()?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Does something with a file that has no faults; else prints them.
fn on_file(
    language: &Language,
    file: &str,
    act: impl FnOnce(PolicyFile) -> Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    match language.read(&content(file)?) {
        Ok(read) => act(read),
        Err(faults) => {
            print(shown(file), &faults);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What is in the file, or a little more than is ever read.
fn content(file: &str) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let most = u64::try_from(SIZE_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let read = match file {
        "-" => io::stdin().lock().take(most).read_to_end(&mut content),
        file => File::open(Path::new(file))
            .and_then(|opened| opened.take(most).read_to_end(&mut content)),
    };
    read.map_err(|error| failure(format!("cannot read {}: {error}", shown(file))))?;
    Ok(content)
}

/// What a file is called.
fn shown(file: &str) -> &str {
    if file == "-" { "<stdin>" } else { file }
}

/// Prints all that is wrong with a file, one a line.
fn print(file: &str, faults: &FileFaults) {
    for fault in &faults.kept {
        output::note(format_args!("{file}:{fault}"));
    }
    if faults.more > 0 {
        output::note(format_args!("and {} more", faults.more));
    }
    output::note(counted(faults.count(), "fault"));
}

fn check(file: &str, read: &PolicyFile) -> Result<ExitCode, Failure> {
    let Policy { scopes, presets, roles, key_types, .. } = read.policy.document();
    output::answer(format_args!(
        "{}: no faults: {}, {}, {}, {}",
        shown(file),
        counted(scopes.len(), "scope"),
        counted(presets.len(), "preset"),
        counted(roles.len(), "role"),
        counted(key_types.len(), "key type"),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn json(
    language: &Language,
    request: Request,
    mut policy: proto::Policy,
) -> Result<ExitCode, Failure> {
    let json = match request {
        Request { create: Some(id), .. } => {
            let request = proto::CreatePolicyRequest {
                policy_id: id.to_string(),
                policy: Some(policy),
                ..proto::CreatePolicyRequest::default()
            };
            language.json("CreatePolicyRequest", &request)?
        }
        Request { update: Some(id), .. } => {
            policy.name = PolicyName { policy: id }.to_string();
            let policy = language.json("Policy", &policy)?;
            format!("{{\"policy\": {policy}, \"update_mask\": {ALL_FIELDS}}}")
        }
        Request { create: None, update: None } => language.json("Policy", &policy)?,
    };
    output::answer(json)?;
    Ok(ExitCode::SUCCESS)
}

/// A count with what is counted.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
