//! notary-server, as this program asks it.

mod admin;
mod body;
mod connections;
mod error;
mod http;
mod multipart;
mod proposals;
mod whole;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use notary_schema::name::{Gun, RoleName};
use notary_schema::online::{Lifetimes, OnlineRole};
use notary_schema::wire::{CollectionInfo, OnlineKey, Problem, PublishAnswer};
use reqwest::Method;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) use connections::is_loopback;
pub(crate) use error::{HttpError, shown};
pub(crate) use http::{Answer, Body, Http, Request, SLOWEST_BYTES_PER_SECOND};
pub(crate) use whole::Whole;

/// The longest answer of a service that is not metadata.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// The longest query of a publish: with path and host it fits into the 65,534 bytes that a URL may have.
const MAX_QUERY_BYTES: usize = 60_000;

/// Where the body of a success goes.
pub(crate) trait Sink {
    /// So many bytes are announced, no more than there may be; fewer or none may come.
    fn expect(&mut self, _bytes: u64) {}
    /// The next bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Forget what came: the body starts again.
    fn restart(&mut self) -> io::Result<()>;
}

impl Sink for Vec<u8> {
    fn expect(&mut self, bytes: u64) {
        self.reserve_exact(usize::try_from(bytes).unwrap_or_default());
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.clear();
        Ok(())
    }
}

/// A request that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A service of ours says why not.
    #[error("{} (request {})", .0.detail, .0.request_id)]
    Problem(Box<Problem>),
    /// A status without a reason of ours.
    #[error(
        "{url} answers {status} without a reason; is the address right, and does the server run? \
         Its log or that of a proxy before it says more",
        url = shown(.url)
    )]
    Status {
        /// What was asked for.
        url: Url,
        /// The status.
        status: u16,
    },
    /// A success that is not what was asked for.
    #[error("{url} does not answer like a notary-server: {why}", url = shown(.url))]
    OtherAnswer {
        /// What was asked for.
        url: Url,
        /// What is wrong with the answer.
        why: String,
    },
}

impl RemoteError {
    /// What the server says.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            RemoteError::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether it is the answer to this request and says nothing of others: neither a connection that
    /// is gone nor a service that is not well.
    pub(crate) fn is_of_one_answer(&self) -> bool {
        let is_refusal = |status: u16| status < 500 && !matches!(status, 408 | 429);
        match self {
            RemoteError::Http(error) => error.is_of_one_answer(),
            RemoteError::Problem(problem) => is_refusal(problem.status),
            RemoteError::Status { status, .. } => is_refusal(*status),
            RemoteError::OtherAnswer { .. } => false,
        }
    }

    /// Whether the server has judged a publish, so that the very same bytes will not fare better.
    /// A status without the server's own words may be that of something in between.
    pub(crate) fn is_definite(&self) -> bool {
        self.problem().is_some_and(|problem| match problem.status {
            400..=422 => true,
            502 => problem.code == "signer_refused",
            _ => false,
        })
    }
}

/// Roles that a publish names on purpose: it is not held against it that it leaves them so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Exempt {
    /// Delegated to, without a file.
    pub(crate) pending: BTreeSet<RoleName>,
    /// With a file that nobody trusts any more.
    pub(crate) orphan: BTreeSet<RoleName>,
    /// With keys that the root replaces since somebody else has them.
    pub(crate) compromised: BTreeSet<RoleName>,
}

impl Exempt {
    /// Whether one request has room for all of the names.
    pub(crate) fn fits(&self) -> bool {
        let mut url = Url::parse("http://localhost/").expect("it is one");
        self.name_in(&mut url);
        url.query().unwrap_or_default().len() <= MAX_QUERY_BYTES
    }

    fn name_in(&self, url: &mut Url) {
        let Exempt { pending, orphan, compromised } = self;
        let parameters = [("pending", pending), ("orphan", orphan), ("compromised", compromised)];
        for (parameter, roles) in parameters {
            for role in roles {
                url.query_pairs_mut().append_pair(parameter, role.as_str());
            }
        }
    }
}

/// How the name of a new collection is reserved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reservation {
    /// Only who has a token that allows it may read the collection.
    pub(crate) private: bool,
    /// The SHA-256 of the newest root of the deleted collection that is replaced.
    pub(crate) replace: Option<String>,
}

impl Reservation {
    fn name_replaced(&self, url: &mut Url) {
        if let Some(sha256) = &self.replace {
            url.query_pairs_mut().append_pair("replace", sha256);
        }
    }
}

/// One notary-server.
pub(crate) struct Server<'a> {
    base: Url,
    token: Option<SecretString>,
    http: &'a Http,
}

impl<'a> Server<'a> {
    /// The server at a base URL such as `https://notary.example`.
    pub(crate) fn new(base: Url, token: Option<SecretString>, http: &'a Http) -> Server<'a> {
        Server { base, token, http }
    }

    /// The metadata URL of a collection, which any TUF client takes.
    pub(crate) fn metadata_url(&self, gun: &Gun) -> Url {
        self.url(gun, "tuf/")
    }

    /// The token, for requests below [`Server::metadata_url`].
    pub(crate) fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// The public key of an online role for the next root; the first call reserves the name, in
    /// the way that is named.
    pub(crate) async fn online_key(
        &self,
        gun: &Gun,
        role: OnlineRole,
        reservation: &Reservation,
    ) -> Result<OnlineKey, RemoteError> {
        let mut url = self.url(gun, &format!("keys/{}", role.name()));
        if reservation.private {
            url.query_pairs_mut().append_pair("private", "true");
        }
        reservation.name_replaced(&mut url);
        self.call(Method::POST, url, Body::Empty).await
    }

    /// A key of an online role that the next root shall list: the same one until it has signed.
    pub(crate) async fn next_online_key(
        &self,
        gun: &Gun,
        role: OnlineRole,
    ) -> Result<OnlineKey, RemoteError> {
        let mut url = self.url(gun, &format!("keys/{}", role.name()));
        url.query_pairs_mut().append_pair("rotate", "true");
        self.call(Method::POST, url, Body::Empty).await
    }

    /// What a collection is made of, in the server's words: nothing in it is verified. All of it, or
    /// these roles with those on the way to them.
    pub(crate) async fn info(
        &self,
        gun: &Gun,
        roles: &[RoleName],
    ) -> Result<CollectionInfo, RemoteError> {
        let mut url = self.url(gun, "");
        for role in roles {
            url.query_pairs_mut().append_pair("role", role.as_str());
        }
        self.call(Method::GET, url, Body::Empty).await
    }

    /// How long the metadata of a collection lives, in the server's words.
    pub(crate) async fn lifetimes(&self, gun: &Gun) -> Result<Lifetimes, RemoteError> {
        Ok(self.info(gun, &[RoleName::TARGETS]).await?.lifetimes)
    }

    /// Sends the first files of a collection. Repeating it is harmless.
    pub(crate) async fn create(
        &self,
        gun: &Gun,
        files: &[(RoleName, Arc<[u8]>)],
        reservation: &Reservation,
    ) -> Result<PublishAnswer, RemoteError> {
        let mut url = self.metadata_url(gun);
        reservation.name_replaced(&mut url);
        self.call(Method::POST, url, Body::Files(files)).await
    }

    /// Sends a repository of somebody else, with the root that names our online keys. Repeating it is
    /// harmless.
    pub(crate) async fn adopt(
        &self,
        gun: &Gun,
        files: &[(RoleName, Arc<[u8]>)],
    ) -> Result<PublishAnswer, RemoteError> {
        let mut url = self.metadata_url(gun);
        url.query_pairs_mut().append_pair("adopt", "true");
        self.call(Method::POST, url, Body::Files(files)).await
    }

    /// Sends signed files as one publish. Repeating it is harmless.
    pub(crate) async fn publish(
        &self,
        gun: &Gun,
        files: &[(RoleName, Arc<[u8]>)],
        exempt: &Exempt,
    ) -> Result<PublishAnswer, RemoteError> {
        let mut url = self.metadata_url(gun);
        exempt.name_in(&mut url);
        self.call(Method::POST, url, Body::Files(files)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Body<'_>,
    ) -> Result<T, RemoteError> {
        let answer = self.send(method, url.clone(), body).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| RemoteError::OtherAnswer { url, why: error.to_string() })
    }

    /// The body of a success.
    async fn send(&self, method: Method, url: Url, body: Body<'_>) -> Result<Vec<u8>, RemoteError> {
        let request = Request {
            method,
            url: url.clone(),
            token: self.token.as_ref(),
            body,
            max_bytes: MAX_ANSWER_BYTES,
            timeout: self.http.timeout(),
            slowest_bytes_per_second: SLOWEST_BYTES_PER_SECOND,
        };
        let mut body = Vec::new();
        let answer = self.http.send(&request, &mut body).await?;
        match answer.is_success() {
            true => Ok(body),
            false => Err(refusal(url, answer)),
        }
    }

    fn url(&self, gun: &Gun, rest: &str) -> Url {
        self.url_of(&format!("{gun}/_trust/{rest}"))
    }

    fn url_of(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/v2/{path}"));
        url
    }
}

/// What an answer other than success means.
pub(crate) fn refusal(url: Url, answer: Answer) -> RemoteError {
    let status = answer.status;
    match answer.problem {
        Some(problem) => RemoteError::Problem(Box::new(Problem { status, ..problem })),
        None => RemoteError::Status { url, status },
    }
}

#[cfg(test)]
mod tests;
