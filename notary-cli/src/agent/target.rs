//! Target files: what a file is, and whether it is the one that trusted metadata lists. Files are
//! streamed; none is held in memory.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use notary_schema::role::{Hashes, TargetFile};
use notary_schema::updater::{Found, target_location};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use ring::digest::{Context, SHA256, SHA512};
use tempfile::NamedTempFile;
use url::Url;

use super::AgentError;
use crate::output::Progress;
use crate::remote::{
    Body, Http, RemoteError, Request, SLOWEST_BYTES_PER_SECOND, Sink, refusal, shown,
};
use crate::trust_dir::files;

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How much of a file is read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// Length and digests of bytes that pass by.
struct Meter {
    length: u64,
    sha256: Context,
    /// Only where it is listed: it costs as much again.
    sha512: Option<Context>,
}

impl Meter {
    fn new(with_sha512: bool) -> Meter {
        let sha512 = with_sha512.then(|| Context::new(&SHA512));
        Meter { length: 0, sha256: Context::new(&SHA256), sha512 }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    fn finish(self) -> Measure {
        let sha256 = hex::encode(self.sha256.finish());
        let sha512 = self.sha512.map(|sha512| hex::encode(sha512.finish())).unwrap_or_default();
        Measure { length: self.length, sha256, sha512 }
    }
}

/// Length and digests of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measure {
    length: u64,
    sha256: String,
    /// Empty where it was not computed.
    sha512: String,
}

impl Measure {
    /// The entry under which the file is published.
    pub(crate) fn target(self, custom: Option<serde_json::Value>) -> TargetFile {
        TargetFile { length: self.length, hashes: Hashes::sha256_of(self.sha256), custom }
    }

    /// What differs from the listed target, if anything.
    pub(crate) fn difference(&self, listed: &TargetFile) -> Option<String> {
        if self.length != listed.length {
            return Some(format!("it has {} bytes, not {}", self.length, listed.length));
        }
        match listed.hashes.agree_with(&self.sha256, &self.sha512) {
            true => None,
            false if listed.hashes.sha256().or(listed.hashes.sha512()).is_none() => {
                Some("no hash of a kind that is known here is listed".to_owned())
            }
            false => {
                let (kind, found) = match listed.hashes.sha256() {
                    Some(listed) if listed != self.sha256 => ("sha256", &self.sha256),
                    _ => ("sha512", &self.sha512),
                };
                Some(format!("its {kind} is {found}, which is not the listed one"))
            }
        }
    }
}

/// Reads a file to its end; `copy` gets every byte.
pub(crate) fn measure(
    mut source: impl Read,
    with_sha512: bool,
    mut copy: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Measure> {
    let mut meter = Meter::new(with_sha512);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => return Ok(meter.finish()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        meter.update(&buffer[..read]);
        copy(&buffer[..read])?;
    }
}

/// Whether a file on this machine is the target.
pub(crate) fn verify(
    path: &Path,
    found: &Found,
    progress: &mut Progress,
) -> Result<(), AgentError> {
    let failed = |error| AgentError::File { action: "read", path: path.to_owned(), error };
    let what = path.display().to_string();
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length != found.file.length {
        let why = format!("it has {length} bytes, not {}", found.file.length);
        return Err(AgentError::OtherFile { what, name: found.name.clone(), why });
    }
    let advance = |bytes: &[u8]| {
        progress.advance(bytes.len() as u64);
        Ok(())
    };
    let with_sha512 = found.file.hashes.sha512().is_some();
    accept(what, found, &measure(file, with_sha512, advance).map_err(failed)?)
}

fn accept(what: String, found: &Found, measure: &Measure) -> Result<(), AgentError> {
    match measure.difference(&found.file) {
        None => Ok(()),
        Some(why) => Err(AgentError::OtherFile { what, name: found.name.clone(), why }),
    }
}

/// What was done for a target to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provided {
    /// It was there already.
    Found,
    /// It was downloaded.
    Downloaded,
}

/// Downloads a target, unless the file is there already.
pub(crate) async fn provide(
    http: &Http,
    url: &Url,
    found: &Found,
    to: &Path,
    mut progress: Progress,
) -> Result<Provided, AgentError> {
    if to.is_file() && verify(to, found, &mut progress).is_ok() {
        return Ok(Provided::Found);
    }
    progress.restart();
    download(http, url, found, to, progress).await?;
    Ok(Provided::Downloaded)
}

/// Downloads a target to a temporary file beside `to`, which takes its name only when length and all
/// known hashes agree.
pub(crate) async fn download(
    http: &Http,
    url: &Url,
    found: &Found,
    to: &Path,
    progress: Progress,
) -> Result<(), AgentError> {
    let failed = |error| AgentError::File { action: "write", path: to.to_owned(), error };
    let directory = files::parent(to);
    std::fs::create_dir_all(&directory).map_err(failed)?;
    takes_a_file(to).map_err(failed)?;
    files::sweep(&directory);
    let with_sha512 = found.file.hashes.sha512().is_some();
    let file = files::temporary_in(&directory).map_err(failed)?;
    let mut sink = TargetSink { file, meter: Meter::new(with_sha512), with_sha512, progress };
    match url.scheme() {
        "file" => copy_local(url, found, &mut sink)?,
        _ => fetch(http, url, found, &mut sink).await?,
    }
    accept(shown(url), found, &sink.meter.finish())?;
    sink.file.as_file().sync_all().map_err(failed)?;
    sink.file.persist(to).map_err(|error| failed(error.error))?;
    Ok(files::sync_dir(&directory)?)
}

/// Whether a file can take this name, as far as that is known before it is there: a name may be too
/// long for the file system, or that of a directory. A file takes the place of a file, or of a link to
/// one; never that of a device or a pipe, which others use.
fn takes_a_file(to: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(to) {
        Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match std::fs::metadata(to) {
        Ok(there) if !there.is_file() => {
            Err(io::Error::other("it is neither a file nor a link to one"))
        }
        _ => Ok(()),
    }
}

async fn fetch(
    http: &Http,
    url: &Url,
    found: &Found,
    sink: &mut TargetSink,
) -> Result<(), AgentError> {
    let (url, max_bytes) = (url.clone(), found.file.length);
    let request = Request {
        method: Method::GET,
        url: url.clone(),
        token: None,
        body: Body::Empty,
        max_bytes,
        timeout: http.timeout(),
        slowest_bytes_per_second: SLOWEST_BYTES_PER_SECOND,
    };
    let answer = http.send(&request, sink).await.map_err(RemoteError::from)?;
    match answer.is_success() {
        true => Ok(()),
        false => Err(refusal(url, answer).into()),
    }
}

fn copy_local(url: &Url, found: &Found, sink: &mut TargetSink) -> Result<(), AgentError> {
    let path: PathBuf = url.to_file_path().map_err(|()| AgentError::Name(shown(url)))?;
    let failed = |error| AgentError::File { action: "read", path: path.clone(), error };
    // One byte more than listed is enough to tell that it is another file.
    let mut file = File::open(&path).map_err(failed)?.take(found.file.length.saturating_add(1));
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(()),
            read => sink.write(&buffer[..read]).map_err(failed)?,
        }
    }
}

/// A download under way.
struct TargetSink {
    file: NamedTempFile,
    meter: Meter,
    with_sha512: bool,
    progress: Progress,
}

impl Sink for TargetSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.meter.update(bytes);
        self.progress.advance(bytes.len() as u64);
        self.file.write_all(bytes)
    }

    fn restart(&mut self) -> io::Result<()> {
        self.meter = Meter::new(self.with_sha512);
        self.progress.restart();
        // No need to cut it: a body that is taken is at least as long as any that broke off.
        self.file.rewind()
    }
}

/// The URL of a target below the targets URL; with consistent snapshots its hash is a part of it.
///
/// # Errors
/// When the name cannot stand in a URL, or no known hash is listed.
pub(crate) fn url_of(base: &Url, found: &Found, consistent: bool) -> Result<Url, AgentError> {
    let location = target_location(&found.name, &found.file, consistent);
    url(base, &location.ok_or_else(|| AgentError::NoKnownHash(found.name.clone()))?)
}

/// The URL of a location below a base URL. A name cannot leave the base.
pub(super) fn url(base: &Url, location: &str) -> Result<Url, AgentError> {
    let encoded: Vec<String> = location.split('/').map(encode).collect();
    if encoded.iter().any(|segment| matches!(segment.as_str(), "." | "..")) {
        return Err(AgentError::Name(location.to_owned()));
    }
    Ok(url_of_encoded(base, &encoded.join("/")))
}

/// The URL of a location that is percent-encoded already.
pub(crate) fn url_of_encoded(base: &Url, location: &str) -> Url {
    let mut url = base.clone();
    let below = base.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{below}/{location}"));
    url
}

/// A name as one percent-encoded segment.
pub(crate) fn encode(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_below_the_base_url() {
        let base: Url = "https://a/files".parse().unwrap();
        let url = |name| url(&base, name).map(String::from);
        assert_eq!(url("d/ab.x y?#%").unwrap(), "https://a/files/d/ab.x%20y%3F%23%25");
        assert_eq!(url("ü").unwrap(), "https://a/files/%C3%BC");
        assert_eq!(url("..a/b").unwrap(), "https://a/files/..a/b");
        for bad in ["..", "../x", "a/../../x", "a/./b"] {
            assert!(url(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
