//! Keys in AWS KMS. Private keys are made there and never leave it.
//!
//! What is signed is hashed here and sent as a digest: a raw message may have 4,096 bytes at most.
//! Pure Ed25519 takes raw messages only, so its keys sign nothing longer.

mod address;
mod errors;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{
    KeyMetadata, KeySpec, KeyState, KeyUsageType, MessageType, SigningAlgorithmSpec,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use notary_schema::key::PublicKey;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use self::address::Addressed;
use self::errors::{ACCESS_DENIED, trouble};
use super::elsewhere::region_of;
use super::named::{NamedKey, ToSign};
use super::wrapping::Wrapper;
use super::{Algorithm, KeyError, KeyHandle, KeyStore, StoredKey, Trouble};

/// The longest message that KMS signs unhashed, in bytes.
pub const MAX_RAW_BYTES: usize = 4_096;
/// The time of one attempt; there is none by default.
const ATTEMPT: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);

/// An account and a region. What is left out comes from where every AWS tool takes it: the
/// environment, `~/.aws`, the machine's role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The region.
    pub region: Option<String>,
    /// The profile in `~/.aws`.
    pub profile: Option<String>,
    /// Another address than the region's, for a private endpoint or an emulator.
    pub endpoint_url: Option<String>,
}

/// Keys in AWS KMS.
pub struct AwsKmsStore {
    name: String,
    account: Account,
    /// Made by the first call: looking for credentials may ask the network.
    client: OnceCell<Arc<Kms>>,
}

struct Kms {
    client: Client,
    region: Option<String>,
}

impl AwsKmsStore {
    /// `name` is what people call it in errors. Nothing is asked yet.
    pub fn new(name: &str, account: Account) -> AwsKmsStore {
        AwsKmsStore { name: name.to_owned(), account, client: OnceCell::new() }
    }

    async fn kms(&self) -> Result<Arc<Kms>, KeyError> {
        let kms = self.client.get_or_init(|| async { Arc::new(Kms::new(&self.account).await) });
        let kms = kms.await;
        if kms.region.is_none() {
            let problem = "no region is set: name one in the configuration or in AWS_REGION";
            return Err(self.error(Trouble::NotSupported(problem.to_owned())));
        }
        Ok(kms.clone())
    }

    /// The key that has this id, ARN or alias, under its ARN: an alias may move to another key.
    async fn describe(&self, name: &str) -> Result<KeyMetadata, KeyError> {
        let kms = self.kms().await?;
        if let (Some(theirs), Some(ours)) = (region_of(name), &kms.region)
            && theirs != ours
        {
            let problem = format!("{name}: it is in {theirs}, and {ours} is asked");
            return Err(self.error(Trouble::NoSuchKey(problem)));
        }
        let described = kms.client.describe_key().key_id(name).send().await;
        let described = described.map_err(|error| self.error(trouble(name, &error)))?;
        described.key_metadata.ok_or_else(|| self.lacks("KeyMetadata"))
    }

    async fn public_of(&self, arn: &str) -> Result<PublicKey, KeyError> {
        let kms = self.kms().await?;
        let answer = kms.client.get_public_key().key_id(arn).send().await;
        let answer = answer.map_err(|error| self.error(trouble(arn, &error)))?;
        let spki = answer.public_key.ok_or_else(|| self.lacks("PublicKey"))?;
        // The kind of the key is in these bytes; the names that KMS has for kinds change.
        PublicKey::from_spki(spki.as_ref())
            .map_err(|error| self.error(Trouble::NotSupported(format!("{arn}: {error}"))))
    }

    fn error(&self, trouble: Trouble) -> KeyError {
        KeyError::Backend { backend: self.name.clone(), trouble }
    }

    fn lacks(&self, field: &str) -> KeyError {
        self.error(Trouble::WrongAnswer(format!("the answer has no {field}")))
    }
}

impl Kms {
    async fn new(account: &Account) -> Kms {
        let https = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(ATTEMPT);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https)
            .timeout_config(timeouts.build())
            // What is tried again is decided once, around every backend.
            .retry_config(RetryConfig::disabled());
        if let Some(region) = &account.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &account.profile {
            loader = loader.profile_name(profile);
        }
        let config: SdkConfig = loader.load().await;
        let kms = aws_sdk_kms::config::Builder::from(&config);
        let mut kms = kms.endpoint_resolver(Addressed::new());
        if let Some(endpoint) = &account.endpoint_url {
            kms = kms.endpoint_url(endpoint);
        }
        let region = config.region().map(ToString::to_string).filter(|region| !region.is_empty());
        Kms { client: Client::from_conf(kms.build()), region }
    }
}

#[async_trait]
impl KeyStore for AwsKmsStore {
    async fn create(&self, algorithm: Algorithm, purpose: &str) -> Result<StoredKey, KeyError> {
        let spec = match algorithm {
            Algorithm::Ed25519 => KeySpec::EccNistEdwards25519,
            Algorithm::EcdsaP256 => KeySpec::EccNistP256,
            Algorithm::Rsa3072 => KeySpec::Rsa3072,
        };
        let kms = self.kms().await?;
        let create = kms.client.create_key().key_usage(KeyUsageType::SignVerify);
        let made = create.key_spec(spec).description(purpose).send().await;
        let made = made.map_err(|error| self.error(trouble("a new key", &error)))?;
        let arn = made.key_metadata.and_then(|key| key.arn).ok_or_else(|| self.lacks("Arn"))?;
        let public = self.public_of(&arn).await?;
        Ok(NamedKey { name: arn, public }.stored(purpose))
    }

    async fn attach(&self, name: &str, purpose: &str) -> Result<StoredKey, KeyError> {
        let key = self.describe(name).await?;
        let unusable =
            |problem: String| self.error(Trouble::KeyUnusable(format!("{name}: {problem}")));
        match key.key_state {
            Some(KeyState::Enabled) => {}
            state => return Err(unusable(format!("its state is {}", state_text(state.as_ref())))),
        }
        if key.key_usage != Some(KeyUsageType::SignVerify) {
            return Err(unusable("it is not for signing".to_owned()));
        }
        let arn = key.arn.ok_or_else(|| self.lacks("Arn"))?;
        let public = self.public_of(&arn).await?;
        Ok(NamedKey { name: arn, public }.stored(purpose))
    }

    async fn check(&self) -> Result<(), KeyError> {
        let kms = self.kms().await?;
        match kms.client.list_keys().limit(1).send().await {
            Ok(_) => Ok(()),
            // Who is refused one call has been recognised, and signing is another right.
            Err(error) if error.code() == Some(ACCESS_DENIED) => Ok(()),
            Err(error) => Err(self.error(trouble("the account", &error))),
        }
    }

    async fn public(&self, handle: &KeyHandle) -> Result<PublicKey, KeyError> {
        self.public_of(&NamedKey::of(handle)?.name).await
    }

    async fn sign(&self, handle: &KeyHandle, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let NamedKey { name, public } = NamedKey::of(handle)?;
        let algorithm = match &public {
            PublicKey::Ed25519(_) => SigningAlgorithmSpec::Ed25519Sha512,
            PublicKey::EcdsaP256(_) => SigningAlgorithmSpec::EcdsaSha256,
            PublicKey::EcdsaP384(_) => SigningAlgorithmSpec::EcdsaSha384,
            PublicKey::Rsa(_) => SigningAlgorithmSpec::RsassaPssSha256,
        };
        let (kind, bytes) = match ToSign::of(&public, message) {
            ToSign::Digest(digest) => (MessageType::Digest, digest),
            ToSign::Message(raw) if raw.len() <= MAX_RAW_BYTES => (MessageType::Raw, raw.to_vec()),
            ToSign::Message(raw) => {
                let problem = format!(
                    "{} bytes with an Ed25519 key: it takes {MAX_RAW_BYTES} at most; use P-256",
                    raw.len()
                );
                return Err(self.error(Trouble::NotSupported(problem)));
            }
        };
        let kms = self.kms().await?;
        let sign = kms.client.sign().key_id(&name).signing_algorithm(algorithm);
        let signed = sign.message_type(kind).message(Blob::new(bytes)).send().await;
        let signed = signed.map_err(|error| self.error(trouble(&name, &error)))?;
        Ok(signed.signature.ok_or_else(|| self.lacks("Signature"))?.into_inner())
    }
}

/// What a wrapped secret is for: KMS gives it back to nobody who names something else, and its log
/// shows it.
const CONTEXT: (&str, &str) = ("notary", "store key");

#[async_trait]
impl Wrapper for AwsKmsStore {
    async fn wrap(&self, key: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        let encrypt = self.kms().await?.client.encrypt().key_id(key);
        let encrypt = encrypt.encryption_context(CONTEXT.0, CONTEXT.1);
        let done = encrypt.plaintext(Blob::new(secret)).send().await;
        let done = done.map_err(|error| self.error(trouble(key, &error)))?;
        Ok(done.ciphertext_blob.ok_or_else(|| self.lacks("CiphertextBlob"))?.into_inner())
    }

    async fn unwrap(&self, key: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let decrypt = self.kms().await?.client.decrypt().key_id(key);
        let decrypt = decrypt.encryption_context(CONTEXT.0, CONTEXT.1);
        let done = decrypt.ciphertext_blob(Blob::new(wrapped)).send().await;
        let done = done.map_err(|error| self.error(trouble(key, &error)))?;
        let secret = done.plaintext.ok_or_else(|| self.lacks("Plaintext"))?;
        Ok(Zeroizing::new(secret.into_inner()))
    }
}

fn state_text(state: Option<&KeyState>) -> &str {
    state.map_or("unknown", KeyState::as_str)
}

#[cfg(test)]
mod tests;
