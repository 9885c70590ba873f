//! The program: see `keyward --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    keyward::cli::run()
}
