//! Key files of people: a private key in a PEM file that other tools open too.
//!
//! Written is PKCS#8 "ENCRYPTED PRIVATE KEY" with PBES2, PBKDF2-HMAC-SHA256 and AES-256-CBC, which
//! OpenSSL, Java and python-cryptography read. CBC authenticates nothing: whoever knows which key
//! should be in a file says so, and another key is refused. Files of other tools are read with a
//! [`Weakness`] for each way in which they protect the key less.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use notary_schema::name::KeyId;
use pkcs8::der::Decode;
use pkcs8::der::pem::PemLabel;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{self, Kdf};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::KeyError;
use super::private::PrivateKey;

/// Rounds of PBKDF2-HMAC-SHA256 in a file that we write; fewer are a [`Weakness`] on reading.
pub const ROUNDS: u32 = 600_000;
/// Files with more rounds are refused: a forged file must not keep a reader busy for hours.
pub const MAX_ROUNDS: u32 = 20_000_000;
/// Files longer than this are not read: a key of RSA-4096 in PEM has less than 4 KiB.
pub const MAX_FILE_BYTES: u64 = 64 * 1024;

const SALT_BYTES: usize = 16;
const IV_BYTES: usize = 16;

/// A key file that was read.
#[derive(Debug)]
pub struct OpenedFile {
    /// The key.
    pub key: PrivateKey,
    /// In what ways the file protects the key less than one of ours; a caller shows each.
    pub weaknesses: Vec<Weakness>,
}

/// A way in which a file protects its key less than one that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// It has no passphrase.
    NotEncrypted,
    /// Its passphrase is stretched by so many rounds only, less than [`ROUNDS`].
    FewRounds(u32),
    /// Others than its owner may read it: the permission bits.
    OthersMayRead(u32),
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Weakness::NotEncrypted => {
                f.write_str("the key file is not encrypted: whoever reads it has the key")
            }
            Weakness::FewRounds(rounds) => write!(
                f,
                "the key file stretches its passphrase by {rounds} rounds only, not {ROUNDS}: \
                 guessing it is cheap"
            ),
            Weakness::OthersMayRead(mode) => {
                write!(f, "the key file has mode {mode:04o}, so others may read it: make it 0600")
            }
        }
    }
}

/// Writes a key to a new file of mode 0600: all of it or nothing, and never over another file. It
/// is durable when this returns.
///
/// # Errors
/// [`KeyError::Exists`], [`KeyError::PassphraseEmpty`], [`KeyError::Io`].
pub fn write(path: &Path, key: &PrivateKey, passphrase: &SecretString) -> Result<(), KeyError> {
    let pem = to_pem(key, passphrase, &path.display().to_string())?;
    write_new(path, pem.as_bytes())
}

/// The text of a key file.
///
/// # Errors
/// [`KeyError::PassphraseEmpty`]; `name` names the file in it.
pub fn to_pem(
    key: &PrivateKey,
    passphrase: &SecretString,
    name: &str,
) -> Result<Zeroizing<String>, KeyError> {
    if passphrase.expose_secret().is_empty() {
        return Err(KeyError::PassphraseEmpty(name.to_owned()));
    }
    let (mut salt, mut iv) = ([0; SALT_BYTES], [0; IV_BYTES]);
    let random = SystemRandom::new();
    let failed = |_| KeyError::Crypto("drawing random bytes");
    random.fill(&mut salt).map_err(failed)?;
    random.fill(&mut iv).map_err(failed)?;
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv)
        .expect("salt and rounds are in range");
    let info = PrivateKeyInfoRef::from_der(key.pkcs8()).expect("a private key is PKCS#8");
    let failed = |_| KeyError::Crypto("encrypting a key");
    let encrypted =
        info.encrypt_with_params(parameters, passphrase.expose_secret()).map_err(failed)?;
    encrypted
        .to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF)
        .map_err(|_| KeyError::Crypto("encoding a key"))
}

/// Reads a key file. `wanted` is the key that must be in it, where that is known.
///
/// # Errors
/// [`KeyError::Io`], [`KeyError::PassphraseMissing`] for an encrypted file without passphrase,
/// [`KeyError::DoesNotOpen`], [`KeyError::NotAPrivateKey`], [`KeyError::OtherKey`].
pub fn read(
    path: &Path,
    passphrase: Option<&SecretString>,
    wanted: Option<&KeyId>,
) -> Result<OpenedFile, KeyError> {
    let io = |source| KeyError::Io { action: "read", path: path.to_owned(), source };
    let refuse = |problem: String| {
        Err(KeyError::NotAPrivateKey { input: path.display().to_string(), problem })
    };
    let metadata = fs::metadata(path).map_err(io)?;
    // A device may have no end, and whoever opens a pipe waits.
    if !metadata.is_file() {
        return refuse("it is neither a file nor a link to one".into());
    }
    if metadata.len() > MAX_FILE_BYTES {
        return refuse(format!("it is longer than {MAX_FILE_BYTES} bytes"));
    }
    let pem = Zeroizing::new(fs::read(path).map_err(io)?);
    let mut opened = from_pem(&pem, passphrase, wanted, &path.display().to_string())?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        opened.weaknesses.push(Weakness::OthersMayRead(mode));
    }
    Ok(opened)
}

/// Reads the text of a key file; `name` names it in errors.
///
/// # Errors
/// Those of [`read`] but for [`KeyError::Io`].
pub fn from_pem(
    pem: &[u8],
    passphrase: Option<&SecretString>,
    wanted: Option<&KeyId>,
    name: &str,
) -> Result<OpenedFile, KeyError> {
    let refuse = |problem: String| KeyError::NotAPrivateKey { input: name.to_owned(), problem };
    let text = std::str::from_utf8(pem).map_err(|_| refuse("it is not a PEM file".into()))?;
    let (label, der) = SecretDocument::from_pem(text.trim())
        .map_err(|error| refuse(format!("it is not a PEM file: {error}")))?;
    let (key, weakness) = match label {
        PrivateKeyInfoRef::PEM_LABEL => {
            let key = PrivateKey::from_pkcs8(der.as_bytes(), name)?;
            (key, Some(Weakness::NotEncrypted))
        }
        EncryptedPrivateKeyInfoRef::PEM_LABEL => {
            let passphrase =
                passphrase.ok_or_else(|| KeyError::PassphraseMissing(name.to_owned()))?;
            let encrypted = EncryptedPrivateKeyInfoRef::from_der(der.as_bytes())
                .map_err(|error| refuse(error.to_string()))?;
            let rounds = rounds(&encrypted).map_err(refuse)?;
            let does_not_open = || KeyError::DoesNotOpen(name.to_owned());
            let plain =
                encrypted.decrypt(passphrase.expose_secret()).map_err(|_| does_not_open())?;
            // A wrong passphrase sometimes leaves valid padding around junk.
            let key = PrivateKey::from_pkcs8(plain.as_bytes(), name).map_err(|refused| {
                match PrivateKeyInfoRef::from_der(plain.as_bytes()) {
                    Ok(_) => refused,
                    Err(_) => does_not_open(),
                }
            })?;
            (key, (rounds < ROUNDS).then_some(Weakness::FewRounds(rounds)))
        }
        other => {
            return Err(refuse(format!(
                "its PEM block is {other:?}; convert it with `openssl pkcs8 -topk8 -v2 aes256`"
            )));
        }
    };
    if let Some(wanted) = wanted.filter(|wanted| **wanted != key.id()) {
        let (wanted, found) = (wanted.clone(), key.id());
        return Err(KeyError::OtherKey { input: name.to_owned(), wanted, found });
    }
    Ok(OpenedFile { key, weaknesses: weakness.into_iter().collect() })
}

/// How often the passphrase is stretched, where that is done in a way that we read.
fn rounds(encrypted: &EncryptedPrivateKeyInfoRef<'_>) -> Result<u32, String> {
    let advice = "convert it with `openssl pkcs8 -topk8 -v2 aes256`";
    let EncryptionScheme::Pbes2(parameters) = &encrypted.encryption_algorithm else {
        return Err(format!("it is not encrypted with PBES2; {advice}"));
    };
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) if kdf.iteration_count > MAX_ROUNDS => {
            Err(format!("its {} rounds are more than {MAX_ROUNDS}", kdf.iteration_count))
        }
        Kdf::Pbkdf2(kdf) if kdf.prf != pbes2::Pbkdf2Prf::HmacWithSha256 => {
            Err(format!("its passphrase is not stretched with HMAC-SHA256; {advice}"))
        }
        Kdf::Pbkdf2(kdf) => Ok(kdf.iteration_count),
        _ => Err(format!("its passphrase is not stretched with PBKDF2; {advice}")),
    }
}

/// Writes a file of mode 0600 that must not exist: through a temporary file beside it, so that
/// nobody ever sees half of it, and linked, not renamed, so that nothing is overwritten.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { action: "write", path: path.to_owned(), source };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => io(error.error),
    })?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::{Command, Output};

    use super::super::Algorithm;
    use super::*;

    fn passphrase() -> SecretString {
        SecretString::from("correct horse")
    }

    fn openssl(arguments: &[&str]) -> Output {
        let output = Command::new("openssl").args(arguments).output();
        let output = output.expect("the tests need the program openssl");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {errors}");
        output
    }

    fn written(directory: &Path, algorithm: Algorithm) -> (PathBuf, PrivateKey) {
        let key = PrivateKey::generate(algorithm).unwrap();
        let path = directory.join(format!("{algorithm}.pem"));
        write(&path, &key, &passphrase()).unwrap();
        (path, key)
    }

    #[test]
    fn a_written_file_reads_back_and_openssl_finds_the_same_key_in_it() {
        let directory = tempfile::tempdir().unwrap();
        for algorithm in Algorithm::ALL {
            let (path, key) = written(directory.path(), algorithm);
            let opened = read(&path, Some(&passphrase()), Some(&key.id())).unwrap();
            assert_eq!(opened.key.id(), key.id());
            assert_eq!(opened.weaknesses, []);

            let file = path.to_str().unwrap();
            let pass = "pass:correct horse";
            let public = openssl(&["pkey", "-in", file, "-passin", pass, "-pubout"]).stdout;
            assert_eq!(String::from_utf8(public).unwrap(), key.public().to_pem(), "{algorithm}");
        }
    }

    #[test]
    fn what_has_no_end_is_no_key_file() {
        let refused = read(Path::new("/dev/zero"), None, None).unwrap_err().to_string();
        assert!(refused.contains("neither a file nor a link to one"), "{refused}");
    }

    #[test]
    fn a_file_states_its_protection_and_nobody_else_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let (path, _) = written(directory.path(), Algorithm::Ed25519);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let shown = openssl(&["asn1parse", "-in", path.to_str().unwrap()]).stdout;
        let shown = String::from_utf8(shown).unwrap();
        for part in ["PBES2", "PBKDF2", ":0927C0", "hmacWithSHA256", "aes-256-cbc"] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
    }

    #[test]
    fn keys_that_openssl_made_are_read_with_their_weakness() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        for (name, options) in [
            ("ed25519", &["-algorithm", "ed25519"][..]),
            ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
            ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]),
        ] {
            let (plain, sealed) = (path(name), path(&format!("{name}.enc")));
            openssl(&[&["genpkey"], options, &["-out", &plain]].concat());
            openssl(&[
                "pkcs8",
                "-topk8",
                "-in",
                &plain,
                "-out",
                &sealed,
                "-v2",
                "aes256",
                "-passout",
                "pass:correct horse",
            ]);
            let opened = read(Path::new(&plain), None, None).unwrap();
            assert!(opened.weaknesses.contains(&Weakness::NotEncrypted), "{name}");
            let decrypted = read(Path::new(&sealed), Some(&passphrase()), None).unwrap();
            assert_eq!(decrypted.key.id(), opened.key.id(), "{name}");
            assert!(decrypted.weaknesses.contains(&Weakness::FewRounds(2048)), "{name}");
            assert!(opened.key.public().verifies(b"m", &decrypted.key.sign(b"m").unwrap()));
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let (path, _) = written(directory.path(), Algorithm::Ed25519);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let opened = read(&path, Some(&passphrase()), None).unwrap();
        assert_eq!(opened.weaknesses, [Weakness::OthersMayRead(0o640)]);
    }

    #[test]
    fn a_wrong_or_missing_passphrase_and_another_key_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let (path, key) = written(directory.path(), Algorithm::Ed25519);
        let wrong = SecretString::from("correct horsf");
        assert!(matches!(read(&path, Some(&wrong), None), Err(KeyError::DoesNotOpen(_))));
        assert!(matches!(read(&path, None, None), Err(KeyError::PassphraseMissing(_))));
        let other = PrivateKey::generate(Algorithm::Ed25519).unwrap().id();
        let refused = read(&path, Some(&passphrase()), Some(&other)).unwrap_err();
        assert!(matches!(refused, KeyError::OtherKey { found, .. } if found == key.id()));
        assert!(read(&path, Some(&passphrase()), Some(&key.id())).is_ok());
    }

    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let (path, key) = written(directory.path(), Algorithm::Ed25519);
        let other = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let refused = write(&path, &other, &passphrase()).unwrap_err();
        assert!(matches!(refused, KeyError::Exists(_)));
        assert!(read(&path, Some(&passphrase()), Some(&key.id())).is_ok());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a file was left behind");
        let empty = write(&directory.path().join("e.pem"), &other, &SecretString::from(""));
        assert!(matches!(empty, Err(KeyError::PassphraseEmpty(_))));
    }

    #[test]
    fn what_is_no_key_file_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("odd.pem");
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let whole = to_pem(&key, &passphrase(), "odd").unwrap();
        let public = key.public().to_pem();
        let long = "x".repeat(MAX_FILE_BYTES as usize + 1);
        for odd in ["", "junk", &whole[..whole.len() / 2], &public, &long] {
            fs::write(&path, odd).unwrap();
            let refused = read(&path, Some(&passphrase()), None).unwrap_err().to_string();
            assert!(refused.contains("odd.pem"), "{refused}");
        }
        assert!(matches!(
            read(&directory.path().join("none.pem"), None, None),
            Err(KeyError::Io { .. })
        ));
    }

    #[test]
    fn a_file_that_would_keep_its_reader_busy_is_refused() {
        let with = |rounds| {
            let parameters =
                pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(rounds, &[1; 16], [2; 16]);
            let encrypted = pkcs8::EncryptedPrivateKeyInfo {
                encryption_algorithm: EncryptionScheme::Pbes2(parameters.unwrap()),
                encrypted_data: pkcs8::der::asn1::OctetStringRef::new(&[0; 64]).unwrap(),
            };
            let der = SecretDocument::try_from(&encrypted).unwrap();
            let pem = der.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap();
            from_pem(pem.as_bytes(), Some(&passphrase()), None, "busy").unwrap_err()
        };
        assert!(matches!(with(MAX_ROUNDS + 1), KeyError::NotAPrivateKey { .. }));
        assert!(matches!(with(1000), KeyError::DoesNotOpen(_)), "an ordinary one is tried");
    }
}
