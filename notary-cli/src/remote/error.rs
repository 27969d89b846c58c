//! Why a request got no answer that counts, and what of it may pass by itself.

use std::error::Error;
use std::io;

use url::Url;

use crate::output::causes;

/// An address as it is told to people and logs: without the password and the query, which may be
/// secrets.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Those that cannot have them have none.
    let _ = (url.set_username(""), url.set_password(None));
    let has_query = url.query().is_some();
    url.set_query(None);
    url.set_fragment(None);
    if has_query { format!("{url}?…") } else { url.to_string() }
}

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// No connection, or a broken one, until the time was over or there was no other try.
    #[error("{url} could not be reached: {why}", url = shown(.url))]
    Unreachable {
        /// What was asked for.
        url: Url,
        /// What went wrong last.
        why: String,
    },
    /// It shows a certificate that is not trusted.
    #[error(
        "{url} shows a certificate that is not trusted: {why}; where its CA is your own, name the \
         CA's certificate with --ca",
        url = shown(.url)
    )]
    Untrusted {
        /// What was asked for.
        url: Url,
        /// What is wrong with the certificate.
        why: String,
    },
    /// Something is there that speaks neither HTTP nor, for https, TLS.
    #[error("{url} does not answer in HTTP: {why}; is the address right?", url = shown(.url))]
    OtherProtocol {
        /// What was asked for.
        url: Url,
        /// What is wrong with the answer.
        why: String,
    },
    /// The body is longer than it may be.
    #[error("{url} is longer than the {max_bytes} bytes that it may have", url = shown(.url))]
    TooLong {
        /// What was asked for.
        url: Url,
        /// The longest body.
        max_bytes: u64,
    },
    /// The body comes in so many pieces that reading it is work.
    #[error("{url} comes in crumbs: {pieces} pieces for {bytes} bytes", url = shown(.url))]
    Crumbs {
        /// What was asked for.
        url: Url,
        /// How many pieces have come.
        pieces: u64,
        /// How many bytes were in them.
        bytes: u64,
    },
    /// The body is packed, although it was asked for as it is.
    #[error(
        "{url} comes with the content encoding {encoding:?}, which was not asked for; files are \
         verified as they are served",
        url = shown(.url)
    )]
    Encoded {
        /// What was asked for.
        url: Url,
        /// The value of `Content-Encoding`.
        encoding: String,
    },
    /// A redirect that is not followed.
    #[error(
        "{url} redirects to {to}, which is not followed; use the address that is meant, or allow the \
         other host with --redirect-host",
        url = shown(.url)
    )]
    Redirect {
        /// What was asked for.
        url: Url,
        /// Where it sends us.
        to: String,
    },
    /// Plain HTTP to another machine, or a scheme that we do not speak.
    #[error("{url} is neither https:// nor http:// on loopback; use https", url = shown(.url))]
    Insecure {
        /// What was asked for.
        url: Url,
    },
    /// The certificates of `--ca` or of the system.
    #[error("no certificates to trust: {0}")]
    Certificates(String),
    /// The body could not be stored.
    #[error("could not store {url}: {error}", url = shown(.url))]
    Store {
        /// What was asked for.
        url: Url,
        /// What the operating system says.
        error: io::Error,
    },
}

impl HttpError {
    /// Whether what was asked for was answered, and the answer is not taken.
    pub(super) fn is_of_one_answer(&self) -> bool {
        matches!(
            self,
            HttpError::TooLong { .. }
                | HttpError::Crumbs { .. }
                | HttpError::Encoded { .. }
                | HttpError::Redirect { .. }
        )
    }

    /// What an error of the connection comes to.
    pub(super) fn of_connection(url: &Url, error: reqwest::Error) -> HttpError {
        let url = url.clone();
        let verdict = verdict(&error);
        let why = causes(&error.without_url());
        match verdict {
            Verdict::MayPass => HttpError::Unreachable { url, why },
            Verdict::Untrusted(why) => HttpError::Untrusted { url, why },
            Verdict::OtherProtocol => HttpError::OtherProtocol { url, why },
        }
    }
}

enum Verdict {
    MayPass,
    Untrusted(String),
    OtherProtocol,
}

/// What the errors inside say: a broken connection may pass, a peer that shows another certificate or
/// talks in other words will do so again.
fn verdict(error: &(dyn Error + 'static)) -> Verdict {
    let (mut cause, mut verdict) = (Some(error), Verdict::MayPass);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Verdict::Untrusted(why.to_string());
        }
        let io = error.downcast_ref::<io::Error>();
        // hyper says so of chunks that are none.
        let is_invalid = io.is_some_and(|error| {
            matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
        });
        let is_unreadable = error.downcast_ref().is_some_and(hyper::Error::is_parse);
        if is_invalid || is_unreadable || error.is::<rustls::Error>() {
            verdict = Verdict::OtherProtocol;
        }
        // An I/O error leaves out what it is made of when it is asked for its source.
        let inner = io.and_then(io::Error::get_ref);
        cause = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    verdict
}
