//! A small HTTP server that answers what it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::Collection;

/// One canned answer of a [`Server`].
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    /// The status line after the version, and further header lines.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The length that is announced.
    pub(crate) announced: Announced,
}

/// What a server says of the length of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Announced {
    Truly,
    As(u64),
    Not,
}

impl Canned {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Canned {
        Canned { head: "200 OK".into(), body: body.into(), announced: Announced::Truly }
    }

    /// A refusal of notary-server.
    pub(crate) fn problem(status: u16, code: &str) -> Canned {
        let body = serde_json::json!({
            "status": status, "code": code, "title": code, "detail": code, "request_id": "r1",
        });
        let head = format!("{status} {code}\r\ncontent-type: application/problem+json");
        Canned { head, body: body.to_string().into_bytes(), announced: Announced::Truly }
    }

    /// No answer: the connection is closed.
    pub(crate) fn dropped() -> Canned {
        Canned::status("")
    }

    pub(crate) fn status(head: &str) -> Canned {
        Canned { head: head.into(), body: Vec::new(), announced: Announced::Truly }
    }
}

/// A loopback HTTP server that answers from a table and remembers what it was asked.
pub(crate) struct Server {
    pub(crate) url: url::Url,
    answers: Arc<Mutex<BTreeMap<String, Vec<Canned>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    heads: Arc<Mutex<Vec<String>>>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let answers: Arc<Mutex<BTreeMap<String, Vec<Canned>>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let sent: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (table, log, bodies) = (answers.clone(), asked.clone(), sent.clone());
        let all_heads = heads.clone();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (request, body) = read_request(&mut stream).await;
                let line = request.lines().next().unwrap_or_default();
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                log.lock().unwrap().push(path.clone());
                all_heads.lock().unwrap().push(request.clone());
                if line.starts_with("POST") {
                    bodies.lock().unwrap().push(body);
                }
                let canned = next_answer(&mut table.lock().unwrap(), &path);
                if canned.head.is_empty() {
                    continue;
                }
                let length = match canned.announced {
                    Announced::Truly => format!("content-length: {}\r\n", canned.body.len()),
                    Announced::As(length) => format!("content-length: {length}\r\n"),
                    Announced::Not => String::new(),
                };
                let head = format!("HTTP/1.1 {}\r\n{length}connection: close\r\n\r\n", canned.head);
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&canned.body).await;
            }
        });
        Server { url, answers, asked, heads, sent, task }
    }

    /// Serves the files of a collection at their names.
    pub(crate) fn serve(&self, collection: &Collection) {
        for (name, file) in &collection.files {
            self.answer(name, Canned::ok(file.clone()));
        }
    }

    /// Tells of a collection acme/app in which no key is revoked.
    pub(crate) fn tell(&self, collection: &Collection) {
        self.answer("v2/acme/app/_trust/", Canned::ok(collection.info()));
        self.answer("v2/acme/app/_trust/revocations", Canned::ok(r#"{"items":[]}"#));
    }

    /// Gives a path one answer for every request.
    pub(crate) fn answer(&self, path: &str, canned: Canned) {
        self.answer_in_turn(path, vec![canned]);
    }

    /// Gives a path these answers in turn; the last one stays.
    pub(crate) fn answer_in_turn(&self, path: &str, canned: Vec<Canned>) {
        self.answers.lock().unwrap().insert(format!("/{path}"), canned);
    }

    /// The bodies of all POST requests so far.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        self.sent.lock().unwrap().clone()
    }

    /// The request lines and headers of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The paths of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The request line with the headers, and the body.
async fn read_request(stream: &mut tokio::net::TcpStream) -> (String, Vec<u8>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let end = request.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                let head = String::from_utf8_lossy(&request[..end]).into_owned();
                return (head, request[end + 4..].to_vec());
            }
        }
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend(&buffer[..read]),
            _ => return (String::new(), Vec::new()),
        }
    }
}

fn next_answer(table: &mut BTreeMap<String, Vec<Canned>>, path: &str) -> Canned {
    let path = path.split('?').next().expect("split gives one piece at least");
    match table.get_mut(path) {
        Some(canned) if canned.len() > 1 => canned.remove(0),
        Some(canned) => canned[0].clone(),
        None => Canned::status("404 Not Found"),
    }
}
