//! The server that everybody ships: tonic's health service alone, on a runtime with a thread for each core, with the
//! defaults of everything, from the allocator to the profile it is built with.
//!
//! Its argument is the address to listen on. It serves until it is killed.

use std::error::Error;

use tonic::transport::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("an address to listen on")?.parse()?;
    let (_reporter, health) = tonic_health::server::health_reporter();
    Ok(Server::builder().add_service(health).serve(address).await?)
}
