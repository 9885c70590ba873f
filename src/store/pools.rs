//! How much is left of the connections.

use super::{Home, Store};

/// How many connections to the database are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// What for.
    pub name: &'static str,
    /// How many are.
    pub in_use: u64,
    /// How many may be.
    pub max: u64,
}

impl Store {
    /// How many connections are in use, by what for.
    pub fn connections(&self) -> Vec<PoolUse> {
        let mut pools = vec![self.readers.in_use("read"), self.writer.in_use("write")];
        if let Home::Server(_) = self.home {
            pools.push(self.counting.in_use("usage"));
        }
        pools
    }
}
