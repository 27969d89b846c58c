//! Bytes on a socket, as no HTTP client would send them.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::World;

/// No test waits longer for an answer or the end of a connection.
const PATIENCE: Duration = Duration::from_secs(60);

/// All that came before the server closed the connection.
#[derive(Debug)]
pub struct Raw {
    /// 0 where the connection ended without an answer.
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: String,
}

impl Raw {
    pub fn parse(bytes: &[u8]) -> Raw {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Raw { status: status.unwrap_or(0), head: head.to_lowercase(), body: body.to_owned() }
    }

    /// The code of a problem; empty where the HTTP library answered without a body.
    pub fn code(&self) -> String {
        match self.body.is_empty() || self.status < 400 {
            true => String::new(),
            false => {
                assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
                let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
                problem["code"].as_str().unwrap().to_owned()
            }
        }
    }
}

/// A connection to the server of a world.
pub struct Socket(TcpStream);

impl Socket {
    pub async fn open(world: &World) -> Socket {
        Socket(TcpStream::connect(world.address).await.unwrap())
    }

    /// Sends bytes. The server may have answered and closed before it read all of them.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        drop(self.0.shutdown().await);
    }

    /// All bytes until the server closes the connection.
    pub async fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset after the answer is an end, too.
        let ended = timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await;
        let _ = ended.expect("the server closes the connection");
        bytes
    }

    /// The answer before the server closes the connection.
    pub async fn answer(self) -> Raw {
        Raw::parse(&self.rest().await)
    }
}

/// What the server answers to exactly these bytes.
pub async fn raw(world: &World, bytes: &[u8]) -> Raw {
    let mut socket = Socket::open(world).await;
    socket.send(bytes).await;
    socket.answer().await
}
