//! Encrypted connections, to a server with a certificate of an authority of its own.

use std::process::{Command, Output};

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, Statement};

use crate::{LONG, postgres::Server, process::Deployment};

/// Makes an authority and a certificate for `localhost`, as the server and where it is.
const CERTIFY: &str = "COPY (SELECT 1) TO PROGRAM '\
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt \
    && openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr \
    && echo subjectAltName=DNS:localhost > extensions \
    && openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
       -extfile extensions -out server.crt \
    && chmod 600 server.key'";

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

/// Makes the server take encrypted connections; gives the certificate of its authority.
async fn certify(server: &Server) -> String {
    let admin = connect(&server.url).await;
    admin.execute_unprepared(CERTIFY).await.unwrap();
    admin.execute_unprepared("ALTER SYSTEM SET ssl = on").await.unwrap();
    admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    let ask = |sql: &str| Statement::from_string(admin.get_database_backend(), sql);
    // It is read by each process of the server at a time of its own.
    let is_read = async {
        loop {
            let row = admin.query_one_raw(ask("SHOW ssl")).await.unwrap().unwrap();
            if row.try_get::<String>("", "ssl").unwrap() == "on" {
                break;
            }
        }
    };
    tokio::time::timeout(LONG, is_read).await.unwrap();
    let row = admin.query_one_raw(ask("SELECT pg_read_file('ca.crt') AS text")).await;
    row.unwrap().unwrap().try_get("", "text").unwrap()
}

/// Whether a program with these settings can use the database.
fn migrate(url: &str, settings: &[(&str, &str)]) -> Output {
    let all: Vec<_> = [("database.url", url)].into_iter().chain(settings.iter().copied()).collect();
    Deployment::new(&all).run(&["migrate"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_trusted_by_its_name_and_authority_alone() {
    let server = Server::start();
    let by_address = server.url.replace("?sslmode=disable", "");
    let by_name = by_address.replace("@127.0.0.1:", "@localhost:");
    for mode in ["require", "verify"] {
        let refused = migrate(&by_name, &[("database.tls", mode)]);
        assert!(!refused.status.success(), "the server has no certificate yet: {refused:?}");
    }

    let authority = certify(&server).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, authority).unwrap();
    let trusted = ("database.tls_ca_file", file.to_str().unwrap());

    let refused = migrate(&by_name, &[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("certificate"), "{said}");
    let unasked = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .arg("migrate")
        .env_clear()
        .envs([("KEYWARD__DATABASE__URL", by_name.as_str()), ("PGSSLROOTCERT", trusted.1)])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8(unasked.stderr).unwrap();
    assert!(!unasked.status.success() && said.contains("certificate"), "{said}");
    let refused = migrate(&by_address, &[trusted]);
    assert!(!refused.status.success(), "another name: {refused:?}");
    for (url, settings) in
        [(&by_name, vec![trusted]), (&by_address, vec![("database.tls", "require")])]
    {
        let ran = migrate(url, &settings);
        assert!(ran.status.success(), "{settings:?}: {ran:?}");
    }
}
