//! Which database the settings name.

use std::{fs, io, path::Path, time::Duration};

use zeroize::Zeroizing;

use super::AppError;
use crate::{
    config::{Connection, DatabaseSettings, Settings, TlsMode},
    store::{Options, PostgresOptions, Store, Tls},
};

/// Opens the database that the settings name, and leaves its schema as it is. To be run on the
/// back.
///
/// # Errors
///
/// [`AppError`]: what an operator must mend first.
pub async fn open_database(settings: &Settings) -> Result<Store, AppError> {
    let database = &settings.database;
    Ok(match database.connection()? {
        Some(connection) => Store::connect(&on_server(database, connection)?).await?,
        None => Store::open(&in_file(database)).await?,
    })
}

fn in_file(settings: &DatabaseSettings) -> Options {
    Options {
        read_connections: settings.read_connections,
        busy_timeout: Duration::from_millis(settings.busy_timeout_ms),
        ..Options::new(&settings.path)
    }
}

fn on_server(
    settings: &DatabaseSettings,
    connection: Connection,
) -> Result<PostgresOptions, AppError> {
    let Connection { host, port, name, user, password, password_file, tls, tls_ca_file } =
        connection;
    let password = match (password, password_file) {
        (None, Some(path)) => {
            let password = password_in(&path);
            Some(password.map_err(|error| AppError::Password { path, error })?)
        }
        (password, _) => password,
    };
    Ok(PostgresOptions {
        host,
        port,
        name,
        user,
        password,
        tls: match tls {
            TlsMode::Off => Tls::Off,
            TlsMode::Require => Tls::Unverified,
            TlsMode::Verify => Tls::Verified,
        },
        tls_authorities: tls_ca_file,
        read_connections: settings.read_connections,
        connect_timeout: settings.connect_timeout(),
        acquire_timeout: settings.acquire_timeout(),
        statement_timeout: settings.statement_timeout(),
    })
}

/// The one line of a file, without its end.
fn password_in(path: &Path) -> io::Result<Zeroizing<String>> {
    let text = Zeroizing::new(fs::read_to_string(path)?);
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write as _;

    use super::*;

    fn read(content: &[u8]) -> io::Result<Zeroizing<String>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        password_in(file.path())
    }

    #[test]
    fn a_password_is_read_without_the_end_of_its_line() {
        for content in ["p w ", "p w \n", "p w \r\n", "p w \n\n"] {
            assert_eq!(read(content.as_bytes()).unwrap().as_str(), "p w ");
        }
    }

    #[test]
    fn a_file_without_a_password_is_refused() {
        for content in [&b""[..], b"\n", b"\r\n", b"canary\xff"] {
            let error = read(content).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        assert!(password_in(Path::new("/nowhere/password")).is_err());
    }
}
