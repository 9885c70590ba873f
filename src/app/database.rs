//! Which database the settings name.

use std::time::Duration;

use super::AppError;
use crate::{
    config::{Connection, DatabaseSettings, Settings, TlsMode},
    files::private,
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
        (None, Some(path)) => Some(private::read_value(&path).map_err(AppError::Password)?),
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
