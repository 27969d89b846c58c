//! Keys: under which text one is listed.

use serde::{Deserialize, Serialize};

use super::{NameError, name_traits};

/// Longest key id that is read, in bytes (ours are 64 hexadecimal digits).
pub const MAX_KEY_ID_BYTES: usize = 256;

/// The id under which a key is listed. Ours is the SHA-256 of the canonical key object in
/// lower-case hexadecimal; foreign repositories may use other text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// Reads a key id as any repository may have it.
    pub fn parse(text: &str) -> Result<KeyId, NameError> {
        if text.len() > MAX_KEY_ID_BYTES {
            return Err(NameError::new("key id", text, "is longer than 256 bytes"));
        }
        Ok(KeyId(text.to_owned()))
    }
}
name_traits!(KeyId);
