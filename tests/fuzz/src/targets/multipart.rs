//! The body of a publish, of any bytes in any pieces: what is accepted is within the limits, and the
//! memory that was taken is given back.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use futures_util::stream;
use notary_schema::name::RoleName;
use notary_server::config::Limits;
use notary_server::handlers::body::{self, EarlierRoots};
use tokio::sync::Semaphore;

use super::choices::Choices;

const MEMORY: usize = 600;

static LIMITS: LazyLock<Limits> =
    LazyLock::new(|| Limits { body_bytes: 700, part_bytes: 400, parts: 3, ..Limits::default() });

pub(super) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let kind = choices.one_of(&[
        "multipart/form-data; boundary=b",
        "Multipart/Form-Data; boundary=\"b\"",
        "multipart/form-data",
        "multipart/mixed; boundary=b",
        "text/plain",
    ]);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    let most = 1 + choices.below(200);
    let mut pieces = Vec::new();
    while !choices.is_empty() {
        pieces.push(Ok(Bytes::copy_from_slice(choices.bytes(most))));
    }
    let memory = Arc::new(Semaphore::new(MEMORY));
    let covers = |role: &RoleName| role.as_str() != "root";
    let roots = if most.is_multiple_of(2) { EarlierRoots::Not } else { EarlierRoots::Come };
    let read = body::read(&headers, stream::iter(pieces), &LIMITS, &memory, &covers, roots);
    if let Ok(body) = to_the_end(read) {
        let length: usize = body.parts.iter().map(|(_, bytes)| bytes.len()).sum();
        let longest = body.parts.iter().map(|(_, bytes)| bytes.len()).max();
        assert!(longest.expect("one part or more") as u64 <= LIMITS.part_bytes);
        assert!(length as u64 <= LIMITS.body_bytes && body.parts.len() as u64 <= LIMITS.parts);
        assert_eq!(memory.available_permits(), MEMORY - length, "memory that nobody counts");
        let mut roles: Vec<_> = body.parts.iter().map(|(role, _)| role.as_str()).collect();
        roles.sort_unstable();
        assert!(roles.windows(2).all(|two| two[0] != two[1]) && !roles.contains(&"root"));
    }
    assert_eq!(memory.available_permits(), MEMORY, "memory is not given back");
}

/// Runs what waits for nobody: it may pause to let others work, and then says that it goes on.
fn to_the_end<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => {
                assert!(woken.0.swap(false, Ordering::Relaxed), "all pieces are there");
            }
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
