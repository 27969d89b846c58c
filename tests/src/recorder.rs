//! A repository over loopback HTTP that remembers what is requested of it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::judge::{Response, Served};

/// A client that says nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server. One request is answered after another, each on a connection of its own.
pub struct Recorder {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    served: Served,
    requests: Vec<String>,
    ended: bool,
}

impl Recorder {
    /// Starts on a free port, with nothing to serve.
    pub fn start() -> Recorder {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if lock(&shared).ended {
                    return;
                }
                // A client that goes away is no failure of the server.
                let _ = connection.and_then(|connection| answer(connection, &shared));
            }
        });
        Recorder { address, state, thread: Some(thread) }
    }

    /// Its URL, which ends in `/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Serves this from now on.
    pub fn serve(&self, served: Served) {
        lock(&self.state).served = served;
    }

    /// The paths that were requested since this was last asked, as they stood in the requests.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).requests)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        lock(&self.state).ended = true;
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics with the lock")
}

fn answer(connection: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&connection).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let Some(path) = first.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()) else {
        return Ok(());
    };
    let response = {
        let mut state = lock(state);
        state.requests.push(path.to_owned());
        state.served.response(&decoded(path))
    };
    let (status, body) = match response {
        Response::File(file) => (200, file),
        Response::Status(status) => (status, Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} as told\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (&connection).write_all(&[head.as_bytes(), &body].concat())
}

/// The name under which a path is served: names of metadata files are encoded, those of targets are
/// not.
fn decoded(path: &str) -> String {
    if !path.starts_with("targets/") {
        return path.to_owned();
    }
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| *first == b'%').and_then(|two| hex::decode(two).ok());
        bytes.extend(digits.as_deref().unwrap_or(&[*first]));
        rest = if digits.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What was requested, by the names under which it is served.
pub fn names(requests: &[String]) -> Vec<String> {
    requests.iter().map(|path| decoded(path)).collect()
}
