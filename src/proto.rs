//! The generated messages and services of `proto/keyward/v1`, and the
//! descriptor set that reflection serves.

use std::fmt;

/// What `proto/keyward/v1` says, as Rust.
#[expect(
    clippy::all,
    clippy::clone_on_ref_ptr,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; the proto files are the documentation"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/keyward.v1.rs"));
}

pub use generated::*;

/// The compiled `.proto` files with their imports, their comments and the details of errors
/// (`google.rpc`): a `google.protobuf.FileDescriptorSet`, for reflection and for proxies.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/keyward.v1.bin"));

/// What stands in place of a secret wherever a message is printed.
const REDACTED: &str = "[redacted]";

impl fmt::Debug for IntrospectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectRequest")
            .field("secret", &REDACTED)
            .field("client_ip", &self.client_ip)
            .field("required_scopes", &self.required_scopes)
            .field("resource", &self.resource)
            .field("class", &self.class)
            .field("cost", &self.cost)
            .field("view", &self.view)
            .finish()
    }
}

impl fmt::Debug for IdentifyKeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentifyKeyRequest").field("secret", &REDACTED).finish()
    }
}

impl fmt::Debug for CreateKeyResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateKeyResponse")
            .field("key", &self.key)
            .field("secret", &REDACTED)
            .field("warnings", &self.warnings)
            .finish()
    }
}

impl fmt::Debug for RotateKeyResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotateKeyResponse")
            .field("key", &self.key)
            .field("secret", &REDACTED)
            .field("warnings", &self.warnings)
            .finish()
    }
}
