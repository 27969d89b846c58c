//! tough, the client of AWS.

use std::error::Error;

use tough::{RepositoryLoader, TargetName};
use url::Url;

use super::Question;
use crate::agent::{NOT_LISTED, Verdict};

/// What tough answers, with a new client. It loads every role at once, so that one refused file is
/// the answer for every name.
pub fn tough(question: &Question) -> Verdict {
    // tough would make aws-lc-rs the provider of the whole process where there is none yet; a
    // second installation fails, and that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime without threads");
    let url = Url::parse(&question.metadata_url).expect("a URL");
    let loaded = runtime.block_on(RepositoryLoader::new(&question.root, url.clone(), url).load());
    let look_up = |name: &String| {
        let repository = loaded.as_ref().map_err(told)?;
        let target = TargetName::new(name.as_str()).map_err(|error| told(&error))?;
        match repository.targets().signed.find_target(&target, false) {
            Ok(found) => Ok(found.length),
            Err(_) => Err(NOT_LISTED.to_owned()),
        }
    };
    question.names.iter().map(|name| (name.clone(), look_up(name))).collect()
}

/// An error with all that it says of its causes.
fn told(error: &tough::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
