//! Checkpoints as others hand them back.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Checkpoint, Origin, VerifierKey};

/// The longest note that is looked at, in bytes: room for sixteen signatures and more.
pub const NOTE_LEN_MAX: usize = 64 * 1024;

/// Why a text is no checkpoint to rely on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCheckpoint {
    /// Not written as a checkpoint is.
    #[error("it is no checkpoint, or is damaged: {0}; take another copy of it")]
    Malformed(&'static str),
    /// None of its signatures is by a key that counts.
    #[error(
        "it is signed by another key, {found}: it is of another deployment, or audit.origin is another \
         now, or the key was replaced and this keyring does not know of it; name the right one with \
         --public-key"
    )]
    UnknownKey {
        /// Who claims to have signed it.
        found: String,
    },
    /// A signature claims to be by a key that counts, and is not.
    #[error("its signature is wrong: it was edited or damaged, or forged; take another copy of it")]
    WrongSignature,
    /// Rightly signed, but for another log than the key is of.
    #[error("it is of another log, {found}, and not of {expected}; look at audit.origin")]
    OtherLog {
        /// What it says.
        found: Origin,
        /// What the key is of.
        expected: Origin,
    },
}

/// The checkpoint in a signed note, where one of these keys signed it. Signatures by others are
/// passed over, as the standard wants it.
///
/// # Errors
///
/// [`InvalidCheckpoint`]: what of it is wrong. Nothing that it says is to be believed then.
pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Checkpoint, InvalidCheckpoint> {
    use InvalidCheckpoint::{Malformed, OtherLog, UnknownKey, WrongSignature};
    if note.len() > NOTE_LEN_MAX {
        return Err(Malformed("it is too long"));
    }
    if note.chars().any(|letter| letter < ' ' && letter != '\n') {
        return Err(Malformed("it has control characters"));
    }
    // The text ends with a line's end, the signatures follow an empty line.
    let (before, signatures) =
        note.rsplit_once("\n\n").ok_or(Malformed("it has no empty line before its signatures"))?;
    let text = note.get(..=before.len()).unwrap_or_default();
    let signatures = signatures.strip_suffix('\n').ok_or(Malformed("its last line has no end"))?;
    let checkpoint = Checkpoint::read(text).ok_or(Malformed("its text cannot be read"))?;
    let (mut signed_by, mut others) = (None, Vec::new());
    for line in signatures.split('\n') {
        let (name, id, signature) =
            read_signature(line).ok_or(Malformed("a signature cannot be read"))?;
        let named = |known: &&VerifierKey| {
            known.origin.to_string() == name && known.key.id(&known.origin) == id
        };
        match keys.iter().find(named) {
            Some(known) if known.key.verifies(text, &signature) => signed_by = Some(known),
            Some(_) => return Err(WrongSignature),
            None => others.push(format!("{name}+{:08x}", u32::from_be_bytes(id))),
        }
    }
    let Some(key) = signed_by else { return Err(UnknownKey { found: others.join(", ") }) };
    if key.origin != checkpoint.origin {
        return Err(OtherLog { found: checkpoint.origin, expected: key.origin.clone() });
    }
    Ok(checkpoint)
}

/// The name and id of a key in a line, and its signature.
fn read_signature(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    (!name.is_empty() && !name.contains('+')).then(|| (name, *id, signature.to_vec()))
}
