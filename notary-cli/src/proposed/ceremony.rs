//! Root 1 and targets 1 on their way: they wait here until enough of their holders have signed them in
//! files, then they make the collection.

use std::path::{Path, PathBuf};

use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::Gun;
use notary_schema::publish::proposal::is_met;
use notary_schema::role::Root;
use notary_schema::trusted::Expiry;
use serde_json::json;

use super::carried::{Carried, CarriedSignatures};
use super::first;
use super::progress::signers;
use crate::exit::{Failure, Outcome};
use crate::named;
use crate::output::joined;
use crate::publishing::in_flight::InFlight;
use crate::session::Session;
use crate::trust_dir::{CollectionDir, StateError, files};

/// Where the first root of a collection is made.
pub(crate) struct FirstRoot<'a> {
    /// Asks the server.
    pub(crate) session: &'a Session,
    /// The collection.
    pub(crate) gun: &'a Gun,
    /// What is here of it, locked.
    pub(crate) collection: &'a CollectionDir,
    /// Where what others have to sign is written.
    pub(crate) output: &'a Option<PathBuf>,
}

impl FirstRoot<'_> {
    /// Makes the collection, where enough keys have signed; otherwise writes what others have to sign.
    pub(crate) async fn go_on(&self, in_flight: InFlight) -> Result<Outcome, Failure> {
        let now = self.session.now();
        let proposed = first::proposed(self.gun, &in_flight, now)?;
        let judged = proposed.judge(None, now)?;
        if is_met(&judged.demands) {
            return self.create(&in_flight).await;
        }
        if proposed.proposal.summary.lapses_at <= now {
            InFlight::remove(self.collection)?;
            return Err(Failure::Usage(
                "root and targets expire in a day or less: no time is left for others to sign them; \
                 choose a later --expires"
                    .into(),
            ));
        }
        let (demands, id) = (judged.told(), proposed.proposal.summary.id.clone());
        let file = match self.output {
            Some(output) => output.clone(),
            None => files::named_after(self.gun, "first-root"),
        };
        let carried = Carried::first(self.gun, proposed.proposal.clone());
        named::write(&file, &serde_json::to_vec_pretty(&carried).expect("it is JSON"))?;
        let text = format!("wrote {}\n{}", file.display(), signers(&demands));
        let value = json!({
            "collection": self.gun, "id": id, "file": file, "demands": demands,
        });
        self.session.output.result(&value, &text)?;
        self.tell_the_others(&file);
        Ok(Outcome::SignaturesMissing)
    }

    fn tell_the_others(&self, file: &Path) {
        let (gun, file) = (self.gun, file.display());
        self.session.output.message(format_args!(
            "nothing is sent yet; who holds a missing key signs it with `notary proposal sign {gun} \
             --file {file} -o SIGNATURES`, and `notary proposal import {gun} SIGNATURES` here goes on"
        ));
    }

    /// Takes the signatures of another holder, and goes on.
    ///
    /// # Errors
    /// Signatures of another first root, of a key that it does not list, over other bytes.
    pub(crate) async fn sign(
        &self,
        mut in_flight: InFlight,
        carried: &CarriedSignatures,
    ) -> Result<Outcome, Failure> {
        let now = self.session.now();
        let proposed = first::proposed(self.gun, &in_flight, now)?;
        let id = &proposed.proposal.summary.id;
        if carried.proposal != *id {
            return Err(Failure::Refused(format!(
                "these are signatures of {}, and the first root that waits here is {id}",
                carried.proposal
            )));
        }
        let judged = proposed.judge(None, now)?;
        carried.signatures.iter().try_for_each(|new| judged.check(new))?;
        for new in &carried.signatures {
            in_flight = in_flight.signed_by_others(new)?;
        }
        in_flight.save(self.collection)?;
        self.go_on(in_flight).await
    }

    async fn create(&self, in_flight: &InFlight) -> Result<Outcome, Failure> {
        let (session, gun) = (self.session, self.gun);
        let reservation = in_flight.reservation.clone().unwrap_or_default();
        match session.server()?.create(gun, &in_flight.files(), &reservation).await {
            Ok(answer) => {
                let root = in_flight.root().expect("it makes the collection");
                if answer.warnings.is_empty() && root.signed().roles.root.threshold.get() == 1 {
                    session
                        .output
                        .warn("root has a threshold of 1: one stolen key takes the collection");
                }
                answer.warnings.iter().for_each(|warning| session.output.warn(warning));
            }
            Err(error) => {
                // Others have signed it: a token that may not send it is no reason to drop it.
                let problem = error.problem();
                if problem.is_some_and(|problem| matches!(problem.status, 409 | 422)) {
                    InFlight::remove(self.collection)?;
                }
                if error.problem().is_some_and(|problem| problem.code == "version_conflict") {
                    return Err(Failure::Conflict(format!(
                        "{gun} exists already with another root ({error}); choose another name, or \
                         pin its root with `notary trust add`"
                    )));
                }
                return Err(error.into());
            }
        }
        self.taken().await
    }

    /// The server has what is in flight.
    pub(crate) async fn taken(&self) -> Result<Outcome, Failure> {
        let (session, gun) = (self.session, self.gun);
        let in_flight = InFlight::load(self.collection)?.expect("it is kept until here");
        let root = &in_flight.files()[0].1;
        if in_flight.reservation.is_some_and(|reservation| reservation.replace.is_some()) {
            // What was trusted of the collection that is gone; its pin is replaced last.
            self.collection.forget_metadata()?;
            self.collection.forget_signed()?;
        }
        session.pin(self.collection, root)?;
        // Pinned first: a crash in between repeats the request, which is harmless.
        InFlight::remove(self.collection)?;
        // So that changes can be staged offline from now on.
        if let Err(failure) = session.refreshed(gun, session.now(), Expiry::Reported).await {
            session
                .output
                .warn(format_args!("the new collection could not be read yet: {failure}"));
        }
        report(session, gun, root)
    }
}

/// Shows the collection that was made.
pub(crate) fn report(session: &Session, gun: &Gun, root: &[u8]) -> Result<Outcome, Failure> {
    let file = read_pinned(session, gun, root)?;
    let (version, sha256, roles) = (file.version(), sha256_hex(root), &file.signed().roles);
    let text = format!(
        "created {gun}\nroot {version} has the sha256 {sha256}\nroot keys: {}\ntargets keys: {}\n",
        joined(&roles.root.keyids),
        joined(&roles.targets.keyids)
    );
    let value = json!({
        "collection": gun, "root_version": version, "root_sha256": sha256,
        "root_keys": roles.root.keyids, "targets_keys": roles.targets.keyids,
    });
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}

/// Reads the root that is pinned.
pub(crate) fn read_pinned(
    session: &Session,
    gun: &Gun,
    root: &[u8],
) -> Result<Envelope<Root>, Failure> {
    let path = session.collection(gun)?.pinned_path();
    Envelope::<Root>::parse(root.to_vec())
        .map_err(|error| StateError::Corrupt { path, why: error.to_string() }.into())
}
