//! Every RPC, as the descriptors have it.

use std::sync::LazyLock;

use keyward::proto;
use prost_reflect::{DescriptorPool, MethodDescriptor};

/// All of both services, sorted by their names: an input says which by its place.
pub(crate) static RPCS: LazyLock<Vec<MethodDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR_SET).unwrap();
    let ours = pool.services().filter(|service| service.full_name().starts_with("keyward.v1."));
    let mut rpcs: Vec<_> = ours.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    rpcs.sort_by(|one, other| one.name().cmp(other.name()));
    assert!(rpcs.len() > 30, "there are more than {}", rpcs.len());
    rpcs
});

/// The one of a byte.
pub(crate) fn rpc(byte: u8) -> &'static MethodDescriptor {
    &RPCS[usize::from(byte) % RPCS.len()]
}

/// The byte of the one of a name.
pub(crate) fn byte(name: &str) -> u8 {
    let place = RPCS.iter().position(|rpc| rpc.name() == name);
    place.unwrap_or_else(|| panic!("there is no {name}")).try_into().unwrap()
}

pub(crate) fn path(rpc: &MethodDescriptor) -> String {
    format!("/{}/{}", rpc.parent_service().full_name(), rpc.name())
}

/// Whether it never changes anything.
pub(crate) fn reads(rpc: &MethodDescriptor) -> bool {
    ["Get", "List", "Identify", "Introspect", "Batch", "Stream"]
        .iter()
        .any(|verb| rpc.name().starts_with(verb))
        && !["BatchCreateKeys", "BatchRevokeKeys"].contains(&rpc.name())
}
