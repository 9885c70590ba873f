//! What was refused is tried again, and what is good is not replaced by what is not.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use crate::{
    client::{Client, handshake},
    place::Place,
    server::Server,
    until,
};

#[tokio::test]
async fn a_key_whose_mode_is_mended_comes_into_force_without_being_written_again() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    let issued = place.authority.server();
    let open = |mode| {
        let draft = place.file("draft");
        fs::write(&draft, &issued.key).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(draft, place.file("tls.key")).unwrap();
    };
    open(0o644);
    place.write("tls.crt", &issued.certificate);
    until("it is refused", async || server.counted().certificate.is_stale).await;
    assert!(shown(&place, &server).await != issued.certificate);
    fs::set_permissions(place.file("tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
    until("it is applied", async || server.counted().certificate.applied >= 1).await;
    assert!(!server.counted().certificate.is_stale);
    assert_eq!(shown(&place, &server).await, issued.certificate);
}

/// The server's certificate as it is shown.
async fn shown(place: &Place, server: &Server) -> String {
    let config = Client::new(&place.authority.pem).config();
    let stream = handshake(&config, server.address).await.unwrap();
    crate::authority::pem("CERTIFICATE", &stream.get_ref().1.peer_certificates().unwrap()[0])
}

#[tokio::test]
async fn a_certificate_that_has_ended_takes_the_place_of_no_good_one() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    let before = fs::read_to_string(place.file("tls.crt")).unwrap();
    let key = fs::read_to_string(place.file("tls.key")).unwrap();
    place.swap(&place.authority.ended_server());
    until("it is refused", async || server.counted().certificate.is_stale).await;
    // Both of its files are there by now, or at the next look.
    let refused = server.counted().certificate.refused;
    assert!(refused >= 1);
    assert_eq!(shown(&place, &server).await, before);
    // What was in force is no news, and nothing is amiss any more.
    place.write("tls.crt", &before);
    place.write("tls.key", &key);
    until("all is well", async || !server.counted().certificate.is_stale).await;
    assert_eq!(shown(&place, &server).await, before);
}

#[tokio::test]
async fn a_certificate_that_is_not_good_yet_comes_into_force_when_it_is() {
    let place = Place::new();
    let server = Server::encrypted(&place).await;
    let before = fs::read_to_string(place.file("tls.crt")).unwrap();
    let issued = place.authority.server_in(Duration::from_secs(20));
    place.swap(&issued);
    until("it is refused", async || server.counted().certificate.is_stale).await;
    assert_eq!(shown(&place, &server).await, before);
    until("it is applied", async || server.counted().certificate.applied >= 1).await;
    assert_eq!(shown(&place, &server).await, issued.certificate);
}

#[tokio::test]
async fn where_nothing_good_is_in_force_anything_may_take_its_place() {
    let place = Place::new();
    place.swap(&place.authority.ended_server());
    let server = Server::encrypted(&place).await;
    place.swap(&place.authority.ended_server());
    until("it is applied", async || server.counted().certificate.applied >= 1).await;
    let issued = place.authority.server();
    place.swap(&issued);
    until("it is applied", async || server.counted().certificate.applied >= 2).await;
    assert_eq!(shown(&place, &server).await, issued.certificate);
}
