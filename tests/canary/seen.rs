//! Everything that clients get to see.

use std::fmt::Debug;

use prost::Message;
use tonic::{Response, Status};

use crate::needles::as_text;

/// The secrets that were minted, and all that was answered.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) secrets: Vec<String>,
    /// Answers as they travelled. The one place where a secret may be, once.
    pub(crate) messages: Vec<String>,
    /// Answers as `Debug` prints them, and errors with all that comes with them.
    pub(crate) texts: Vec<String>,
    pub(crate) refusals: usize,
}

impl Seen {
    /// An answer that was to be given.
    #[track_caller]
    pub(crate) fn ok<T: Message + Debug>(&mut self, outcome: Result<Response<T>, Status>) -> T {
        let response = outcome.expect("the call is answered");
        self.texts.push(format!("{response:?} {response:#?}"));
        self.messages.push(as_text(&response.get_ref().encode_to_vec()));
        response.into_inner()
    }

    /// A call that was to be refused.
    #[track_caller]
    pub(crate) fn refused<T: Debug>(&mut self, outcome: Result<Response<T>, Status>) {
        let status = outcome.expect_err("the call is refused");
        let (message, details) = (status.message(), as_text(status.details()));
        self.texts.push(format!("{status:?} {status} {message} {details}"));
        self.refusals += 1;
    }

    /// A secret that was minted.
    #[track_caller]
    pub(crate) fn minted(&mut self, secret: &str) -> String {
        assert!(secret.len() > 50, "there is a secret in the answer");
        self.secrets.push(secret.to_owned());
        secret.to_owned()
    }
}
