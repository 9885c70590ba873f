//! What the tests of isolation know of every RPC.

#[path = "../../api/isolation/table.rs"]
pub(crate) mod table;
#[path = "../../api/isolation/world.rs"]
#[expect(dead_code, reason = "other tests make their world otherwise")]
pub(crate) mod world;
