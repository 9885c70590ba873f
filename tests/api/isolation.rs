//! No caller reaches a workspace that it is not bound to, and no name of one workspace
//! reaches what is in another: every RPC of the proto files is tried.

mod bound;
mod lists;
mod swapped;
mod table;
mod world;
