//! The one HTTP server of the tests, on loopback: it remembers what it was asked, and answers as a test
//! says: files of a map or of a directory, refusals, or whatever bytes a hostile host would send.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use crate::judge::{Response, Served};
use crate::world::wait_for;

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// The path without the slash at its beginning, as it was sent: `metadata/1.root.json`.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Which connection it came over, counted from 0.
    pub connection: usize,
    /// When it came.
    pub at: Instant,
}

/// Writes what a host of another mind would send.
pub type Wire = dyn Fn(&mut TcpStream) -> io::Result<()> + Send + Sync;

/// What a path is answered with.
#[derive(Clone)]
pub enum Reply {
    /// 200 with this body.
    File(Arc<[u8]>),
    /// This status line after the version, and further header lines; no body.
    Status(String),
    /// Whatever is written; the connection is closed when it returns, or fails as soon as the client
    /// has gone.
    Wire(Arc<Wire>),
    /// Nothing, as long as the client waits.
    Silence,
    /// These in turn, the last one for ever.
    Turns(Vec<Reply>),
}

impl Reply {
    /// 200 with this body.
    pub fn file(body: impl Into<Arc<[u8]>>) -> Reply {
        Reply::File(body.into())
    }

    /// A status line after the version, and further header lines: `302 Found\r\nlocation: /x`.
    pub fn status(head: &str) -> Reply {
        Reply::Status(head.to_owned())
    }

    /// No answer: the connection is closed.
    pub fn hang_up() -> Reply {
        Reply::wire(|_| Ok(()))
    }

    /// 200 with the beginning of a body that has so many bytes, after which the connection is closed.
    pub fn cut_off(beginning: &'static [u8], length: usize) -> Reply {
        Reply::wire(move |stream| {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")?;
            stream.write_all(beginning)
        })
    }

    /// Whatever is written.
    pub fn wire(write: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Reply {
        Reply::Wire(Arc::new(write))
    }
}

impl From<&Response> for Reply {
    fn from(response: &Response) -> Reply {
        match response {
            Response::File(file) => Reply::file(file.as_slice()),
            Response::Status(status) => Reply::status(&format!("{status} as told")),
        }
    }
}

/// A running mirror; it ends when it is dropped.
pub struct Mirror {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<BTreeMap<String, Reply>>,
    directory: Option<PathBuf>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    ended: AtomicBool,
}

impl Default for Mirror {
    fn default() -> Mirror {
        Mirror::start()
    }
}

impl Mirror {
    /// A mirror on a free port that answers 404 to everything.
    pub fn start() -> Mirror {
        Mirror::with(Shared::default())
    }

    /// A mirror that has the files of a directory.
    ///
    /// # Panics
    /// When it is none.
    pub fn of(directory: &Path) -> Mirror {
        assert!(directory.is_dir(), "{} is not a directory", directory.display());
        Mirror::with(Shared { directory: Some(directory.to_owned()), ..Shared::default() })
    }

    fn with(shared: Shared) -> Mirror {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(shared);
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), serving) = (stream, serving.clone()) else { continue };
                // A client that has gone is no fault of the mirror.
                thread::spawn(move || drop(serving.converse(stream)));
            }
        });
        Mirror { address, shared }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers a path from now on: as it is sent, or as it reads without percent-encoding.
    pub fn answer(&self, path: impl Into<String>, reply: Reply) {
        lock(&self.shared.replies).insert(path.into(), reply);
    }

    /// Answers what a repository does, below a path, and nothing else there any more.
    pub fn serve(&self, below: &str, served: &Served) {
        let mut replies = lock(&self.shared.replies);
        replies.retain(|path, _| !path.starts_with(below));
        let below =
            |(name, response): (&String, &Response)| (format!("{below}{name}"), response.into());
        replies.extend(served.iter().map(below));
    }

    /// What was asked since the last call.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *lock(&self.shared.asked))
    }

    /// The paths that were asked for since the last call.
    pub fn take_paths(&self) -> Vec<String> {
        self.take_asked().into_iter().map(|asked| asked.path).collect()
    }

    /// Waits until a path is asked for; forgets what was asked until then.
    pub fn wait_until_asked(&self, path: &str) {
        wait_for(&format!("a request of {path}"), || {
            self.take_paths().iter().any(|asked| asked == path).then_some(())
        });
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes up who waits for the next connection.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(asked) = read_request(&mut reader, connection)? {
            let reply = self.reply(&asked.path);
            let with_body = asked.method != "HEAD";
            lock(&self.asked).push(asked);
            match reply {
                Reply::File(body) => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.write_all(head.as_bytes())?;
                    stream.write_all(if with_body { &body } else { &[] })?;
                }
                Reply::Status(head) => {
                    let head = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(head.as_bytes())?;
                }
                Reply::Wire(write) => {
                    write(&mut stream)?;
                    // What the client has not read yet would be lost if it is closed both ways.
                    stream.shutdown(Shutdown::Write)?;
                    return io::copy(&mut reader, &mut io::sink()).map(drop);
                }
                Reply::Silence => return io::copy(&mut reader, &mut io::sink()).map(drop),
                Reply::Turns(_) => unreachable!("one of them was taken"),
            }
        }
        Ok(())
    }

    fn reply(&self, path: &str) -> Reply {
        let mut replies = lock(&self.replies);
        let plain = decoded(path);
        let path = if replies.contains_key(path) { path } else { &plain };
        let mut reply = match replies.get_mut(path) {
            Some(Reply::Turns(turns)) if turns.len() > 1 => turns.remove(0),
            Some(Reply::Turns(turns)) => turns[0].clone(),
            Some(reply) => reply.clone(),
            None => self.file(path).unwrap_or(Reply::status("404 Not Found")),
        };
        while let Reply::Turns(mut turns) = reply {
            reply = turns.remove(0);
        }
        reply
    }

    /// Nothing outside the directory: names only, no `..` and no second root.
    fn file(&self, path: &str) -> Option<Reply> {
        let is_below =
            Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let place = self.directory.as_ref().filter(|_| is_below)?.join(path);
        std::fs::read(place).ok().map(Reply::file)
    }
}

/// A path without percent-encoding.
pub fn decoded(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|two| hex::decode(two).ok());
        bytes.extend(digits.as_deref().unwrap_or(&[*first]));
        rest = if digits.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The next request of a connection without a body; `None` when there is none.
fn read_request(reader: &mut BufReader<TcpStream>, connection: usize) -> io::Result<Option<Asked>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.by_ref().take(1 << 16).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default().trim_start_matches('/').to_owned();
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.iter().skip(1).filter_map(header).collect();
    Ok(Some(Asked { method, path, headers, connection, at: Instant::now() }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
