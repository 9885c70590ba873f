//! The RPCs about keys.

mod revoke;
