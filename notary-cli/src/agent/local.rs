//! A repository in a directory of this machine.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notary_schema::updater::UpdateError;
use url::Url;

use super::{AgentError, target};

/// Where a file is that a web server would answer a request for this name with.
pub(crate) fn place_of(base: &Url, name: &str) -> Option<PathBuf> {
    target::url_of_encoded(base, name).to_file_path().ok()
}

/// A file by its name in requests: from where a web server would have it, or else under that name
/// itself, percent-encoded, as clients and many tools write it. `None` where neither is there.
pub(super) fn read(
    base: &Url,
    name: &str,
    max_bytes: u64,
) -> Result<Option<Arc<[u8]>>, AgentError> {
    let unusable = || AgentError::Name(target::url_of_encoded(base, name).to_string());
    let path = place_of(base, name).ok_or_else(unusable)?;
    let encoded = base.to_file_path().map_err(|()| unusable())?.join(name);
    match read_file(&path, max_bytes)? {
        None if encoded != path => read_file(&encoded, max_bytes),
        found => Ok(found),
    }
}

fn read_file(path: &Path, max_bytes: u64) -> Result<Option<Arc<[u8]>>, AgentError> {
    let failed = |error| AgentError::File { action: "read", path: path.to_owned(), error };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    // One more shows that it is too long.
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > max_bytes {
        true => Err(UpdateError::TooLong { name: path.display().to_string(), max_bytes }.into()),
        false => Ok(Some(bytes.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_as_web_servers_have_it_and_as_tools_write_it() {
        let directory = tempfile::tempdir().unwrap();
        let base = Url::from_directory_path(directory.path()).unwrap();
        let found = |name: &str| {
            let file = read(&base, name, 10).unwrap();
            file.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        };
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(found("5.a%2Fb.json"), None);
        write("5.a%2Fb.json", "encoded");
        assert_eq!(found("5.a%2Fb.json").as_deref(), Some("encoded"));
        assert_eq!(found("6.a%2Fb.json"), None);
        write("5.a/b.json", "served");
        assert_eq!(found("5.a%2Fb.json").as_deref(), Some("served"));
        // A file where a directory would have to be is no failure.
        write("7.a", "");
        assert_eq!(found("7.a%2Fb.json"), None);
        write("long", "more than ten");
        assert!(matches!(read(&base, "long", 10), Err(AgentError::Update(_))));
    }
}
