//! The command line. Answers go to standard output, everything else to standard error.

mod bootstrap;
mod descriptors;
mod events;
mod health;
mod keyring;
mod migrate;
mod output;
mod policy;
mod quickstart;
mod serve;

use std::{
    fmt::{self, Display},
    future::Future,
    io,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};

use crate::{
    back::{Back, BackRuntime},
    config::{InvalidSettings, Settings},
    domain::checkpoint::VerifierKey,
};

/// How long the back may take to finish what it has begun, once a command is done.
const BACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Manages API keys and answers, for every request, whose key it is and what it may do.
#[derive(Debug, Parser)]
#[command(name = "keyward", version, arg_required_else_help = true)]
struct Arguments {
    /// A TOML file with settings; variables KEYWARD__SECTION__NAME win over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT
    Serve {
        /// Print the settings in force, secrets redacted, and end
        #[arg(long)]
        print_config: bool,
    },
    /// Show what Keyward does: make a database, mint keys, use them, then serve
    Quickstart {
        /// End after the show, with status 0 only if every step came out as it should
        #[arg(long)]
        exit: bool,
    },
    /// Print the compiled API, a google.protobuf.FileDescriptorSet, for proxies and tools
    ///
    /// It holds the paths of REST (google.api.http), the details of errors and all comments.
    DescriptorSet,
    /// Mint the first key of a caller and print its secret, once
    Bootstrap {
        /// Mint another one, although it was done before
        #[arg(long)]
        force: bool,
    },
    /// Bring the schema of the database to this version
    Migrate {
        /// Take the newest change of the schema back instead, for an older version
        ///
        /// Stop every server of the database first. Refused where records would be lost.
        #[arg(long)]
        down: bool,
        /// Take back all changes after this one, which stays
        #[arg(long, value_name = "CHANGE", requires = "down")]
        to: Option<String>,
        /// Also where records are lost, or where servers seem to run that are gone
        #[arg(long, requires = "down")]
        force: bool,
    },
    /// Handle the keyring
    Keyring {
        #[command(subcommand)]
        command: KeyringCommand,
    },
    /// Handle the log of changes
    Events {
        #[command(subcommand)]
        command: EventsCommand,
    },
    /// Handle policy files
    Policy {
        #[command(subcommand)]
        command: policy::Command,
    },
    /// Ask a running server whether it serves; status 0 only if it does
    Health(health::Arguments),
}

#[derive(Debug, Subcommand)]
enum KeyringCommand {
    /// Make a keyring where there is none, as for many servers that share a database
    ///
    /// A server with SQLite makes its own at its first start.
    Init {
        /// Where [default: keyring.path of the settings]
        #[arg(long, value_name = "FILE")]
        path: Option<PathBuf>,
    },
    /// Add a signing key and sign new secrets with it; older secrets stay good
    Rotate {
        /// Replace the key that signs checkpoints of the log, and leave those of secrets alone
        #[arg(long)]
        checkpoints: bool,
    },
    /// Print the public keys of checkpoints, the one of the key that signs first
    ///
    /// Keep them elsewhere: who can write both the database and the keyring can also sign.
    PublicKey,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Check the hash chain; name the first broken revision
    ///
    /// Stop the server first, unless the database is PostgreSQL's: one process owns an SQLite
    /// file. That the end of the log was cut off, or all of it written anew, only a checkpoint
    /// can tell that was kept elsewhere: give it with --checkpoint.
    Verify {
        /// Also check that the log is the one that this checkpoint tells of
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// A public key that may have signed it, more than once [default: those of the keyring]
        #[arg(long, value_name = "KEY", requires = "checkpoint")]
        public_key: Vec<VerifierKey>,
    },
}

/// Why a command failed, for people.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command that the arguments name. Status 0: it did what it says; 1: it
/// failed, as standard error explains; 2: the arguments or settings are wrong.
pub fn run() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    match Settings::from_environment(config.as_deref()) {
        Ok(settings) => finish(act(command, &settings)),
        Err(error) => refuse(&error),
    }
}

fn act(command: Command, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve { print_config: true } => serve::print_config(settings),
        Command::Serve { print_config: false } => serve::run(settings),
        Command::Quickstart { exit } => quickstart::run(settings, exit),
        Command::DescriptorSet => descriptors::run(),
        Command::Bootstrap { force } => bootstrap::run(settings, force),
        Command::Migrate { down: false, .. } => migrate::run(settings),
        Command::Migrate { down: true, to, force } => migrate::take_back(settings, to, force),
        Command::Keyring { command: KeyringCommand::Init { path } } => {
            keyring::init(settings, path.as_deref())
        }
        Command::Keyring { command: KeyringCommand::Rotate { checkpoints: false } } => {
            keyring::rotate(settings)
        }
        Command::Keyring { command: KeyringCommand::Rotate { checkpoints: true } } => {
            keyring::rotate_checkpoints(settings)
        }
        Command::Keyring { command: KeyringCommand::PublicKey } => keyring::public_keys(settings),
        Command::Events { command: EventsCommand::Verify { checkpoint, public_key } } => {
            events::verify(settings, checkpoint.as_deref(), public_key)
        }
        Command::Policy { command } => policy::run(command),
        Command::Health(arguments) => health::run(settings, arguments),
    }
}

fn finish(outcome: Result<ExitCode, Failure>) -> ExitCode {
    outcome.unwrap_or_else(|failure| {
        output::complain(&Reasons(&*failure));
        ExitCode::FAILURE
    })
}

fn refuse(error: &InvalidSettings) -> ExitCode {
    output::complain(error);
    ExitCode::from(2)
}

/// Runs a command on a back of its own, which ends with it.
fn on_back<T, F>(settings: &Settings, command: impl FnOnce(Back) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let (runtime, back) = start_back(settings)?;
    let outcome = runtime.block_on(command(back));
    let _ = runtime.shutdown(BACK_TIMEOUT);
    outcome
}

fn start_back(settings: &Settings) -> Result<(BackRuntime, Back), Failure> {
    Back::start(settings.back.threads)
        .map_err(|error: io::Error| failure(format!("cannot start threads: {error}")))
}

/// An error with what caused it.
struct Reasons<'a>(&'a (dyn std::error::Error + 'static));

impl Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn failure(message: impl Display) -> Failure {
    message.to_string().into()
}
