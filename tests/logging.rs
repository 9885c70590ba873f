//! Logging is set up once per process, so this process is its own.

use keyward::config::LogSettings;
use keyward::logging::{self, LoggingError};

#[test]
fn logging_is_set_up_once() {
    assert!(logging::start(&LogSettings::default(), None).is_ok());
    assert!(matches!(logging::start(&LogSettings::default(), None), Err(LoggingError::Twice(_))));
}
