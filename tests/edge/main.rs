//! The front and the layers around the services, by a real client over TCP.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod age;
mod calls;
mod connections;
mod drain;
mod frames;
mod given_up;
mod late;
mod refused;
mod support;
mod unread;
