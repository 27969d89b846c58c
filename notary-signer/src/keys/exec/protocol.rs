//! What a signing program is asked and answers: one JSON object on a line, in both directions.
//!
//! ```text
//! > {"id":1,"call":"describe","key":"release"}
//! < {"id":1,"key":"release","public":"-----BEGIN PUBLIC KEY-----\n…"}
//! > {"id":2,"call":"sign","key":"release","scheme":"ecdsa-sha2-nistp256","digest":"BASE64"}
//! < {"id":2,"signature":"BASE64"}
//! < {"id":3,"error":{"code":"throttled","message":"429 from the vault"}}
//! > {"id":4,"call":"create","algorithm":"ecdsa-p256","purpose":"acme/app timestamp"}
//! < {"id":4,"key":"acme-timestamp","public":"-----BEGIN PUBLIC KEY-----\n…"}
//! > {"id":5,"call":"check"}
//! < {"id":5}
//! ```
//! Answers may come in any order. `tests/service/openssl-keys.sh` is such a program.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use notary_schema::key::PublicKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::named::ToSign;
use super::super::{Algorithm, Trouble};

/// A longer answer, or line of log, is none: a public key of RSA-4096 in PEM has less than 1 KiB.
pub(super) const MAX_LINE_BYTES: usize = 64 * 1024;

/// One request, without its id.
#[derive(Debug, Serialize)]
#[serde(tag = "call", rename_all = "lowercase")]
pub(super) enum Call {
    /// Is everything there that signing needs?
    Check,
    /// The public key of a name.
    Describe { key: String },
    /// A new key; the answer names it.
    Create { algorithm: &'static str, purpose: String },
    /// A signature over `digest`, or over `message` where the scheme is `ed25519`.
    Sign {
        key: String,
        purpose: String,
        scheme: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Encrypts a secret of up to 64 bytes under a key.
    Wrap { key: String, secret: String },
    /// Decrypts what was wrapped under a key.
    Unwrap { key: String, wrapped: String },
}

impl Call {
    pub(super) fn create(algorithm: Algorithm, purpose: &str) -> Call {
        Call::Create { algorithm: algorithm.name(), purpose: purpose.to_owned() }
    }

    pub(super) fn sign(key: String, purpose: &str, public: &PublicKey, message: &[u8]) -> Call {
        let (_, scheme) = public.names();
        let (digest, message) = match ToSign::of(public, message) {
            ToSign::Digest(digest) => (Some(STANDARD.encode(digest)), None),
            ToSign::Message(message) => (None, Some(STANDARD.encode(message))),
        };
        Call::Sign { key, purpose: purpose.to_owned(), scheme, digest, message }
    }

    pub(super) fn wrap(key: &str, secret: &[u8]) -> Call {
        Call::Wrap { key: key.to_owned(), secret: STANDARD.encode(secret) }
    }

    pub(super) fn unwrap(key: &str, wrapped: &[u8]) -> Call {
        Call::Unwrap { key: key.to_owned(), wrapped: STANDARD.encode(wrapped) }
    }

    /// The line that is sent, with its end.
    pub(super) fn line(&self, id: u64) -> Vec<u8> {
        #[derive(Serialize)]
        struct Line<'a> {
            id: u64,
            #[serde(flatten)]
            call: &'a Call,
        }
        let mut line = serde_json::to_vec(&Line { id, call: self }).expect("texts are JSON");
        line.push(b'\n');
        line
    }
}

/// One answer.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) id: u64,
    #[serde(default)]
    error: Option<Refused>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    public: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    wrapped: Option<String>,
    #[serde(default)]
    secret: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    code: String,
    #[serde(default)]
    message: String,
}

impl Answer {
    /// The answer, unless it is a refusal.
    pub(super) fn accepted(self) -> Result<Answer, Trouble> {
        let Some(Refused { code, message }) = self.error else { return Ok(self) };
        Err(match code.as_str() {
            "unreachable" => Trouble::Unreachable(message),
            "throttled" => Trouble::Throttled(message),
            "not_let_in" => Trouble::NotLetIn(message),
            "no_such_key" => Trouble::NoSuchKey(message),
            "key_unusable" => Trouble::KeyUnusable(message),
            "not_supported" => Trouble::NotSupported(message),
            other => {
                Trouble::WrongAnswer(format!("the error code {other:?} is unknown: {message}"))
            }
        })
    }

    /// The name of a new key.
    pub(super) fn key(&self) -> Result<String, Trouble> {
        self.key.clone().filter(|key| !key.is_empty()).ok_or_else(|| lacks("key"))
    }

    /// The public key.
    pub(super) fn public(&self) -> Result<PublicKey, Trouble> {
        let pem = self.public.as_deref().ok_or_else(|| lacks("public"))?;
        PublicKey::from_pem(pem)
            .map_err(|error| Trouble::WrongAnswer(format!("\"public\" is no key: {error}")))
    }

    /// The signature.
    pub(super) fn signature(&self) -> Result<Vec<u8>, Trouble> {
        bytes("signature", self.signature.as_deref())
    }

    /// What a secret was wrapped to.
    pub(super) fn wrapped(&self) -> Result<Vec<u8>, Trouble> {
        bytes("wrapped", self.wrapped.as_deref())
    }

    /// What was wrapped.
    pub(super) fn secret(self) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let text = self.secret.map(Zeroizing::new);
        bytes("secret", text.as_ref().map(|text| text.as_str())).map(Zeroizing::new)
    }
}

fn bytes(field: &str, text: Option<&str>) -> Result<Vec<u8>, Trouble> {
    let text = text.ok_or_else(|| lacks(field))?;
    STANDARD.decode(text).map_err(|_| Trouble::WrongAnswer(format!("{field:?} is not base64")))
}

fn lacks(field: &str) -> Trouble {
    Trouble::WrongAnswer(format!("the answer has no {field:?}"))
}
