//! `keyward descriptor-set`.

use std::process::ExitCode;

use super::{Failure, output};
use crate::proto;

/// Prints the compiled API, byte for byte.
pub(super) fn run() -> Result<ExitCode, Failure> {
    output::bytes(proto::DESCRIPTOR_SET)?;
    Ok(ExitCode::SUCCESS)
}
