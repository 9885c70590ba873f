//! What becomes of a server of a test that is killed.

use std::net::TcpStream;

use crate::postgres::Server;

#[test]
fn a_server_is_stopped_where_the_test_that_began_it_is_killed() {
    let server = Server::start();
    drop(TcpStream::connect(server.address()).unwrap());
    let (ended, address, directory) = server.leave();
    assert!(ended);
    TcpStream::connect(address).unwrap_err();
    assert!(!directory.exists());
}
