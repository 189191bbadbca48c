//! Whose the job is, as one server sees it from run to run.

use super::super::manifest::{Manifest, Manifests};
use super::JobSpec;
use crate::error::{Error, Result, SqlState};
use crate::model::Epoch;
use crate::model::id::unique_token;

/// One server's claim to a job. It outlives runs that fail and are tried again: whoever was overtaken stays so, whatever the failure was by
/// which a run ended. It ends when the job is stopped, and a user who resumes the job makes a new claim.
pub struct Ownership {
    /// In every manifest that this server writes for the job.
    owner: String,
    /// The epoch by which the job was taken over. It may be that the PUT was tried and its outcome is not known.
    claimed: Option<Epoch>,
}

impl Default for Ownership {
    fn default() -> Ownership {
        Ownership { owner: unique_token(), claimed: None }
    }
}

impl Ownership {
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// To be said before the PUT: what becomes of it may never be heard.
    pub fn claim(&mut self, epoch: Epoch) {
        self.claimed.get_or_insert(epoch);
    }

    /// Whether the job may be taken over, given its newest manifest: always at first; later only as long as nobody else has done so.
    ///
    /// Errors: `State` if this server owned the job and another has taken it.
    pub async fn check(&mut self, spec: &JobSpec, manifests: &Manifests, newest: Option<&Manifest>) -> Result<()> {
        let (Some(claimed), Some(newest)) = (self.claimed, newest.filter(|manifest| manifest.owner != self.owner)) else { return Ok(()) };
        let was_ours = match manifests.read(claimed).await? {
            Some(manifest) => manifest.owner == self.owner,
            // It was removed for its age, or never written.
            None => claimed <= newest.epoch,
        };
        match was_ours {
            true => Err(taken_over(spec, newest.epoch)),
            false => {
                self.claimed = None;
                Ok(())
            }
        }
    }
}

/// What a loser is told.
pub fn taken_over(spec: &JobSpec, epoch: Epoch) -> Error {
    Error::state("another server has taken the job over")
        .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
        .with_detail(format!("it committed epoch {epoch} of job {}", spec.job))
        .with_hint(format!("nothing is lost: the job goes on over there; ALTER {} … RESUME takes it back", spec.kind().to_uppercase()))
}
