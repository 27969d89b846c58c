//! What the next version of a role is built on whose listed file is lost.

use std::fmt;
use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::name::{RoleName, Version};
use notary_schema::role::Targets;
use notary_schema::threshold;
use notary_schema::updater::{Limits, local_name, remote_name};

use crate::agent::Agent;
use crate::exit::Failure;
use crate::trust_dir::MetadataDir;

/// How many versions before a lost one are asked for.
const MAX_EARLIER: u64 = 64;

/// The newest file of a role before the one that is lost.
pub(crate) struct Earlier {
    role: RoleName,
    lost: Version,
    /// The file.
    pub(crate) file: Arc<Envelope<Targets>>,
}

impl Earlier {
    /// Looks for the newest file of a role before the listed one that is stored here or in the
    /// repository, signed as its delegator says.
    pub(crate) async fn find(
        agent: &Agent<'_>,
        stored: &MetadataDir,
        role: &RoleName,
        delegator: &RoleName,
    ) -> Result<Option<Earlier>, Failure> {
        let trusted = agent.trusted()?;
        let listed = trusted.snapshot().and_then(|file| file.signed().entry(role));
        let (Ok(authority), Some(listed)) = (trusted.authority(role, delegator), listed) else {
            return Ok(None);
        };
        let signed = |file: Arc<[u8]>| {
            let file = Envelope::<Targets>::parse(file).ok()?;
            let is_earlier = file.version() < listed.version;
            (is_earlier && threshold::count(&file, authority).is_met()).then_some(file)
        };
        let here = stored.load(&local_name(role))?.and_then(|file| signed(file.into()));
        let above = here.as_ref().map_or(0, |file| file.version().get());
        let lowest = listed.version.get().saturating_sub(MAX_EARLIER).max(above + 1);
        let mut found = None;
        for number in (lowest..listed.version.get()).rev() {
            let name = remote_name(role, Some(Version::new(number)?));
            let there = agent.fetch(&name, Limits::default().targets_bytes).await?;
            found = there.and_then(signed);
            if found.is_some() {
                break;
            }
        }
        let (role, lost) = (role.clone(), listed.version);
        Ok(found.or(here).map(|file| Earlier { role, lost, file: file.into() }))
    }
}

impl fmt::Display for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Earlier { role, lost, file } = self;
        let version = file.version();
        write!(
            f,
            "{role} {lost} is lost: the next version is built on {version}; what was published in between \
             is not in it"
        )
    }
}
