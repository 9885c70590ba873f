//! Messages as protobuf's JSON, with the names of fields as the proto files have them.

use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};

use super::Language;

/// Why a message cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// No message of this name is described.
    #[error("the descriptors of this program have no {0}")]
    Missing(String),
    /// It is not of this name.
    #[error("this is no such message")]
    Message(#[from] prost::DecodeError),
    /// It has no JSON.
    #[error("this message has no JSON")]
    Json(#[from] serde_json::Error),
}

impl Language {
    /// The message of this name in `keyward.v1` as JSON, over several lines.
    ///
    /// # Errors
    ///
    /// Where it is none of this name, or none that has a JSON.
    pub fn json(&self, name: &str, message: &impl Message) -> Result<String, JsonError> {
        let name = format!("keyward.v1.{name}");
        let descriptor = self.pool().get_message_by_name(&name);
        let descriptor = descriptor.ok_or(JsonError::Missing(name))?;
        let mut dynamic = DynamicMessage::new(descriptor);
        dynamic.transcode_from(message)?;
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::pretty(&mut json);
        let options = SerializeOptions::new().use_proto_field_name(true);
        dynamic.serialize_with_options(&mut serializer, &options)?;
        Ok(String::from_utf8_lossy(&json).into_owned())
    }
}
