//! Metadata that gathers signatures on the server.

use std::sync::Arc;

use notary_schema::name::{Gun, RoleName};
use notary_schema::wire::Proposal;
use reqwest::Method;

use super::{Body, Exempt, RemoteError, Server};

impl Server<'_> {
    /// Has signed files wait for more signatures. Repeating it is harmless.
    pub(crate) async fn propose(
        &self,
        gun: &Gun,
        files: &[(RoleName, Arc<[u8]>)],
        exempt: &Exempt,
        reason: &str,
    ) -> Result<Proposal, RemoteError> {
        let mut url = self.url(gun, "proposals");
        url.query_pairs_mut().append_pair("reason", reason);
        exempt.name_in(&mut url);
        self.call(Method::POST, url, Body::Files(files)).await
    }
}
