//! `keyward quickstart`.

use std::process::ExitCode;

use super::Failure;
use crate::config::Settings;

pub(super) fn run(_settings: &Settings, _exit: bool) -> Result<ExitCode, Failure> {
    Err("under construction".into())
}
