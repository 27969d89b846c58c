//! Files that somebody names: read to a bound, written where nothing else is. A device or a pipe may
//! have no end, and others use it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::trust_dir::{StateError, files};

/// The most of a root: twice what clients in the field read.
pub(crate) const MAX_ROOT_BYTES: u64 = 1 << 20;
/// The most of a public key, a token, a PIN.
pub(crate) const MAX_KEY_BYTES: u64 = 64 << 10;
/// The most of what people write by hand: a configuration, the custom data of a target.
pub(crate) const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Reads a file, or the one that a link leads to.
///
/// # Errors
/// What the system says; what is no file; more than `max_bytes`.
pub(crate) fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    // Before it is opened: whoever opens a pipe waits.
    require_file(&fs::metadata(path)?)?;
    read_any(path, max_bytes)
}

/// [`read`] of a text.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    text(read(path, max_bytes)?)
}

/// A secret may come through a pipe, so that it is in no file.
pub(crate) fn read_secret(path: &Path) -> io::Result<String> {
    text(read_any(path, MAX_KEY_BYTES)?)
}

fn read_any(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more shows that it is too long.
    File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > max_bytes {
        true => Err(io::Error::other(format!("it has more than {max_bytes} bytes"))),
        false => Ok(bytes),
    }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no text in UTF-8"))
}

fn require_file(there: &fs::Metadata) -> io::Result<()> {
    match there.is_file() {
        true => Ok(()),
        false if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        false => Err(io::Error::other("it is neither a file nor a link to one")),
    }
}

/// Writes a file where there is none, durably and at once. One that has these bytes already stays, so
/// that the same command can be said again; no directory is made.
///
/// # Errors
/// Another file, or what is no file, stands there; what the system says.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    write_new(path, bytes, files::temporary_in)
}

/// [`write()`] of a file that only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    write_new(path, bytes, files::private_in)
}

fn write_new(
    path: &Path,
    bytes: &[u8],
    temporary: impl Fn(&Path) -> io::Result<tempfile::NamedTempFile>,
) -> Result<(), StateError> {
    let failed = |error| StateError::io("write", path, error);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        there => return require_same(path, &there.map_err(failed)?, bytes).map_err(failed),
    }
    let directory = files::parent(path);
    let mut file = temporary(&directory).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| failed(error.error))?;
    files::sync_dir(&directory)
}

fn require_same(path: &Path, there: &fs::Metadata, bytes: &[u8]) -> io::Result<()> {
    require_file(there)?;
    match there.len() == bytes.len() as u64 && read_any(path, there.len())? == bytes {
        true => Ok(()),
        false => Err(io::Error::other(
            "another file stands there; move it away, or name a file that is not there",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_bound_and_what_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "it has more than 4 bytes");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_text(&link, 5).unwrap(), "12345");
        let refused = read(Path::new("/dev/zero"), 5).unwrap_err().to_string();
        assert_eq!(refused, "it is neither a file nor a link to one");
        let refused = read_secret(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(refused, "it has more than 65536 bytes");
        assert_eq!(read_secret(&path).unwrap(), "12345");
        assert!(read(directory.path(), 5).is_err());
    }

    #[test]
    fn a_file_is_written_where_there_is_none_and_again_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        write(&place("new"), b"1").unwrap();
        write(&place("new"), b"1").unwrap();
        let refused = write(&place("new"), b"2").unwrap_err().to_string();
        assert!(refused.contains("new: another file stands there"), "{refused}");
        assert_eq!(fs::read(place("new")).unwrap(), b"1");

        assert!(write(&place("none/new"), b"1").is_err());
        assert!(!place("none").exists(), "no directory is made");
        std::os::unix::fs::symlink("nowhere", place("dangling")).unwrap();
        assert!(write(&place("dangling"), b"1").is_err());
        std::os::unix::fs::symlink("/dev/null", place("device")).unwrap();
        let refused = write(&place("device"), b"1").unwrap_err().to_string();
        assert!(refused.contains("neither a file nor a link to one"), "{refused}");
        assert!(place("device").is_symlink() && place("dangling").is_symlink());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3, "nothing else is left");

        write_private(&place("private"), b"1").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(place("private")).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
}
