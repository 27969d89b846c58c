//! Metadata that gathers signatures on the server.

use std::sync::Arc;

use notary_schema::name::{Gun, RoleName};
use notary_schema::wire::{NewSignatures, Proposal, ProposalSummary, SignedProposal};
use reqwest::Method;
use url::Url;

use super::admin::json;
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

    /// Every proposal that a collection ever had, the oldest first.
    pub(crate) async fn proposals(&self, gun: &Gun) -> Result<Vec<ProposalSummary>, RemoteError> {
        self.all(self.url(gun, "proposals")).await
    }

    /// One proposal with its files, in the server's words.
    pub(crate) async fn proposal(&self, gun: &Gun, id: &str) -> Result<Proposal, RemoteError> {
        self.call(Method::GET, self.proposal_url(gun, id), Body::Empty).await
    }

    /// Adds signatures. Repeating it is harmless.
    pub(crate) async fn sign_proposal(
        &self,
        gun: &Gun,
        id: &str,
        signatures: &NewSignatures,
    ) -> Result<SignedProposal, RemoteError> {
        let mut url = self.proposal_url(gun, id);
        url.path_segments_mut().expect("http has segments").push("signatures");
        self.call(Method::POST, url, json(signatures)).await
    }

    /// Takes a proposal back. Repeating it is harmless.
    pub(crate) async fn cancel_proposal(&self, gun: &Gun, id: &str) -> Result<(), RemoteError> {
        self.send(Method::DELETE, self.proposal_url(gun, id), Body::Empty).await.map(drop)
    }

    fn proposal_url(&self, gun: &Gun, id: &str) -> Url {
        let mut url = self.url(gun, "proposals/");
        // As one segment, whatever it holds.
        url.path_segments_mut().expect("http has segments").pop_if_empty().push(id);
        url
    }
}
