//! Which database the settings name.

use std::{fs, time::Duration};

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
            let text = fs::read_to_string(&path).map(Zeroizing::new);
            let text = text.map_err(|error| AppError::Password { path, error })?;
            Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
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
        write_connections: settings.write_connections,
        connect_timeout: settings.connect_timeout(),
        acquire_timeout: settings.acquire_timeout(),
        statement_timeout: settings.statement_timeout(),
    })
}
