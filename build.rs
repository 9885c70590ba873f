//! Compiles `proto/` with protox (no protoc needed) into the module `proto` and
//! a descriptor set for reflection and for proxies.

use std::{env, fs, path::PathBuf};

const FILES: [&str; 9] = [
    "error_reason",
    "event",
    "introspect",
    "key",
    "key_admin",
    "policy",
    "principal",
    "usage",
    "workspace",
];
/// What errors carry: no file of ours imports it, and whoever prints errors needs it.
const ERRORS: [&str; 2] = ["google/rpc/error_details.proto", "google/rpc/status.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let files = FILES.map(|name| format!("proto/keyward/v1/{name}.proto"));
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(files)?
        .open_files(ERRORS)?;
    // Encoded by protox, which keeps the options that are extensions: `field_behavior`, `http`.
    fs::write(out.join("keyward.v1.bin"), compiler.encode_file_descriptor_set())?;
    let descriptors = compiler.file_descriptor_set();

    // Messages with a secret get no derived `Debug`; `proto.rs` writes one that redacts.
    let ours = descriptors.file.iter().filter(|file| file.package() == "keyward.v1");
    let with_secret = ours
        .flat_map(|file| &file.message_type)
        .filter(|message| message.field.iter().any(|field| field.name() == "secret"))
        .map(|message| format!(".keyward.v1.{}", message.name()));
    let mut config = tonic_prost_build::Config::new();
    config.btree_map(["."]).skip_debug(with_secret.collect::<Vec<_>>());
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .compile_fds_with_config(descriptors, config)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
