//! What administrators ask of a server, and what it tells of all collections.

use notary_schema::name::{Gun, KeyId};
use notary_schema::wire::{
    CollectionLife, CollectionPolicy, CollectionSummary, CreatedToken, EventPage, NewRevocation,
    NewToken, Page, PolicyChange, Revocation, TokenInfo,
};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Body, RemoteError, Server};

/// Most items of a list that are read.
const MAX_LISTED: usize = 1_000_000;

impl Server<'_> {
    /// Every collection that the server shows.
    pub(crate) async fn collections(&self) -> Result<Vec<CollectionSummary>, RemoteError> {
        self.all(self.url_of("_trust/collections")).await
    }

    /// What happened to a collection after an event, one page, the oldest first.
    /// Where a feed is named, it is refused once it is another one.
    pub(crate) async fn events(
        &self,
        gun: &Gun,
        after: u64,
        feed: Option<&str>,
    ) -> Result<EventPage, RemoteError> {
        let mut url = self.url(gun, "changefeed");
        url.query_pairs_mut().append_pair("after", &after.to_string());
        if let Some(feed) = feed {
            url.query_pairs_mut().append_pair("feed", feed);
        }
        self.call(Method::GET, url, Body::Empty).await
    }

    /// Makes a collection a tombstone.
    pub(crate) async fn delete(&self, gun: &Gun) -> Result<CollectionLife, RemoteError> {
        let mut url = self.metadata_url(gun);
        url.query_pairs_mut().append_pair("confirm", gun.as_str());
        self.call(Method::DELETE, url, Body::Empty).await
    }

    /// Makes a tombstone a collection again.
    pub(crate) async fn undelete(&self, gun: &Gun) -> Result<CollectionLife, RemoteError> {
        self.call(Method::POST, self.url(gun, "undelete"), Body::Empty).await
    }

    /// What is decided about a collection.
    pub(crate) async fn policy(&self, gun: &Gun) -> Result<CollectionPolicy, RemoteError> {
        self.call(Method::GET, self.url(gun, "policy"), Body::Empty).await
    }

    /// Changes what is decided; answers all of it.
    pub(crate) async fn set_policy(
        &self,
        gun: &Gun,
        change: &PolicyChange,
    ) -> Result<CollectionPolicy, RemoteError> {
        self.call(Method::PATCH, self.url(gun, "policy"), json(change)).await
    }

    /// Whom the server takes us for.
    pub(crate) async fn whoami(&self) -> Result<TokenInfo, RemoteError> {
        self.call(Method::GET, self.url_of("_trust/tokens/self"), Body::Empty).await
    }

    /// Makes a token.
    pub(crate) async fn create_token(&self, new: &NewToken) -> Result<CreatedToken, RemoteError> {
        self.call(Method::POST, self.url_of("_trust/tokens"), json(new)).await
    }

    /// The tokens that we may see.
    pub(crate) async fn tokens(&self) -> Result<Vec<TokenInfo>, RemoteError> {
        self.all(self.url_of("_trust/tokens")).await
    }

    /// Has a token refused from now on, and where it is wished those that were made with it.
    pub(crate) async fn revoke_token(&self, id: &str, cascade: bool) -> Result<(), RemoteError> {
        let mut url = self.url_of("_trust/tokens/");
        // As one segment, whatever it holds.
        url.path_segments_mut().expect("http has segments").pop_if_empty().push(id);
        if cascade {
            url.query_pairs_mut().append_pair("cascade", "true");
        }
        self.send(Method::DELETE, url, Body::Empty).await.map(drop)
    }

    /// The keys that sign nothing new in a collection.
    pub(crate) async fn revocations(&self, gun: &Gun) -> Result<Vec<Revocation>, RemoteError> {
        self.all(self.url(gun, "revocations")).await
    }

    /// Has a key sign nothing new. Repeating it is harmless.
    pub(crate) async fn revoke_key(
        &self,
        gun: &Gun,
        new: &NewRevocation,
    ) -> Result<Revocation, RemoteError> {
        self.call(Method::POST, self.url(gun, "revocations"), json(new)).await
    }

    /// Has it sign again.
    pub(crate) async fn undo_revocation(&self, gun: &Gun, key: &KeyId) -> Result<(), RemoteError> {
        let url = self.url(gun, &format!("revocations/{key}"));
        self.send(Method::DELETE, url, Body::Empty).await.map(drop)
    }

    /// Every page of a list, which may not go on for ever.
    pub(super) async fn all<T: DeserializeOwned>(&self, list: Url) -> Result<Vec<T>, RemoteError> {
        let (mut items, mut url) = (Vec::new(), list.clone());
        loop {
            let page: Page<T> = self.call(Method::GET, url.clone(), Body::Empty).await?;
            let turned = !page.items.is_empty();
            items.extend(page.items);
            let Some(next) = page.next.filter(|_| turned) else { return Ok(items) };
            let here = url;
            url = list.clone();
            url.query_pairs_mut().append_pair("after", &next);
            if url == here || items.len() > MAX_LISTED {
                let why = format!("after {} items the list still goes on", items.len());
                return Err(RemoteError::OtherAnswer { url, why });
            }
        }
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Body<'static> {
    Body::Json(serde_json::to_string(value).expect("our bodies are JSON"))
}
