//! The level of the log, changed while the program runs.

use std::{fs, io::Write as _, net::TcpStream};

use crate::World;

/// A line of level debug, which anybody can cause.
const DEBUG_LINE: &str = "connection is not HTTP/2";
const IN_FORCE: &str = "the level is that of log.level_file";

/// Says what is no HTTP/2, and waits until the server has closed the connection.
fn disturb(world: &World) {
    use std::io::Read as _;

    let mut stream = TcpStream::connect(world.serving.address).unwrap();
    stream.write_all(&[b'x'; 24]).unwrap();
    // It may break rather than end.
    let _ = stream.read_to_end(&mut Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_file_is_obeyed_while_the_program_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("level");
    let path = file.display().to_string();
    let world = World::new(&[("log.level_file", &path), ("log.level", "info")]).await;
    disturb(&world);

    fs::write(&file, "debug\n").unwrap();
    world.logs(IN_FORCE, 1).await;
    assert_eq!(world.deployment.log().matches(DEBUG_LINE).count(), 0);
    disturb(&world);
    world.logs(DEBUG_LINE, 1).await;

    // What is no level changes nothing, and is told without being repeated.
    fs::write(&file, "hunter2").unwrap();
    world
        .logs("log.level_file must be off, error, warn, info, debug, trace or target=level", 1)
        .await;
    assert!(!world.deployment.log().contains("hunter2"));
    disturb(&world);
    world.logs(DEBUG_LINE, 2).await;

    // It is told that there is silence from now on.
    fs::write(&file, "off").unwrap();
    world.logs(IN_FORCE, 2).await;
    disturb(&world);

    fs::remove_file(&file).unwrap();
    world.logs("log.level_file is gone: the level is that of log.level", 1).await;
    disturb(&world);
    assert_eq!(world.deployment.log().matches(DEBUG_LINE).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_file_that_is_there_from_the_start_wins() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("level");
    fs::write(&file, "warn,keyward::server=debug").unwrap();
    let path = file.display().to_string();
    let world = World::new(&[("log.level_file", &path), ("log.level", "off")]).await;
    world.logs(IN_FORCE, 1).await;
    disturb(&world);
    world.logs(DEBUG_LINE, 1).await;
}
