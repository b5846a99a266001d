//! Updates of the manifest: which revision runs, when a new one has proved itself, and when the one before comes back.
//!
//! Decided from the spec and the status alone, so that a restart changes nothing. A revision that failed is not tried again;
//! the next one is. So an update goes forward once and back at most once.

use crd::{ComputeLease, ComputeLeaseStatus, ManifestRef, Rollout};
use jiff::{SignedDuration, Timestamp};
use manifest::ValidManifest;

use super::diagnosis::probe;

/// Time that every update has, for its images above all.
const BASE: SignedDuration = SignedDuration::from_mins(5);
/// Time that one replica has to stop before its successor starts.
const STOPPING: SignedDuration = SignedDuration::from_secs(30);
/// The longest time of an update, whatever its probes allow themselves.
const LONGEST: SignedDuration = SignedDuration::from_hours(2);

/// Which of the two manifests of a spec runs, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// The newest.
    Newest,
    /// The one before, because the newest failed.
    Previous,
    /// The one before, because the newest was refused.
    Refused {
        /// Reason of the refusal.
        reason: &'static str,
        /// The refusal, for people.
        why: String,
    },
    /// The newest although it failed, because the one before cannot run.
    Stranded {
        /// What is wrong with the one before, for people.
        why: String,
    },
}

impl Course {
    /// Revision of the manifest that runs.
    pub fn revision(&self, newest: &ManifestRef) -> i64 {
        match self {
            Self::Newest | Self::Stranded { .. } => newest.revision,
            Self::Previous | Self::Refused { .. } => {
                newest.previous.as_ref().map_or(newest.revision, |previous| previous.revision)
            }
        }
    }
}

/// Which manifest is to run.
pub fn course(lease: &ComputeLease, status: &ComputeLeaseStatus) -> Course {
    let Some(newest) = &lease.spec.manifest else { return Course::Newest };
    let failed = status.failed_revision == Some(newest.revision);
    let proven = status.proven_revision == Some(newest.revision);
    if failed && !proven && newest.previous.is_some() { Course::Previous } else { Course::Newest }
}

/// The lease as if its previous manifest were its only one; `None` where it has no other.
pub fn with_previous(lease: &ComputeLease) -> Option<ComputeLease> {
    let previous = lease.spec.manifest.as_ref()?.previous.clone()?;
    let mut lease = lease.clone();
    lease.spec.manifest = Some(ManifestRef {
        secret_name: previous.secret_name,
        hash: previous.hash,
        revision: previous.revision,
        previous: None,
    });
    Some(lease)
}

/// How long a manifest may take to become ready: five minutes, and for the slowest service the time in which its replicas,
/// one after the other, stop and answer their probe.
pub fn patience(manifest: &ValidManifest) -> SignedDuration {
    let slowest = manifest.services().values().map(|service| {
        let probe = service.readiness.as_ref().map_or(SignedDuration::ZERO, probe::own_time);
        let replicas = i32::try_from(service.replicas.0).unwrap_or(i32::MAX);
        STOPPING.saturating_add(probe).saturating_mul(replicas)
    });
    BASE.saturating_add(slowest.max().unwrap_or_default()).min(LONGEST)
}

/// Where an update stands after everything of a revision was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There is nothing to compare with: it is the first revision, or it was ready before.
    Settled,
    /// It became ready now.
    Proven,
    /// It is being tried.
    Trying(Rollout),
    /// Its time is over.
    Failed,
}

/// Whether every replica is ready in the form that the newest manifest wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// All are.
    Complete,
    /// Some are not, or run an older form.
    Incomplete,
}

/// Where the newest revision stands.
pub fn stage(
    newest: &ManifestRef,
    status: &ComputeLeaseStatus,
    readiness: Readiness,
    patience: SignedDuration,
    now: Timestamp,
) -> Stage {
    if status.proven_revision == Some(newest.revision) {
        return Stage::Settled;
    }
    if readiness == Readiness::Complete {
        return Stage::Proven;
    }
    if newest.previous.is_none() || status.failed_revision == Some(newest.revision) {
        return Stage::Settled;
    }
    let now = now.as_second();
    let rollout = status.rollout.filter(|rollout| rollout.revision == newest.revision).unwrap_or(Rollout {
        revision: newest.revision,
        started_at: now,
        deadline_at: now.saturating_add(patience.as_secs()),
    });
    if rollout.deadline_at <= now { Stage::Failed } else { Stage::Trying(rollout) }
}

#[cfg(test)]
mod tests {
    use crd::PreviousManifest;

    use super::*;
    use crate::lease_controller::test_support::{lease, manifest_of, manifest_yaml, now};

    fn updated(revision: i64) -> ComputeLease {
        let mut lease = lease(&manifest_yaml());
        let newest = lease.spec.manifest.as_mut().unwrap();
        newest.previous = Some(PreviousManifest {
            secret_name: "before".to_owned(),
            hash: format!("0x{}", "7".repeat(64)),
            revision: revision - 1,
        });
        newest.revision = revision;
        lease
    }

    fn status(proven: Option<i64>, failed: Option<i64>) -> ComputeLeaseStatus {
        ComputeLeaseStatus {
            proven_revision: proven,
            failed_revision: failed,
            ..ComputeLeaseStatus::default()
        }
    }

    #[test]
    fn only_a_revision_that_failed_gives_way_to_the_one_before() {
        for (revision, proven, failed, wanted) in [
            (2, Some(1), None, Course::Newest),
            (2, Some(1), Some(2), Course::Previous),
            // It came up after all, while there was nothing to go back to.
            (2, Some(2), Some(2), Course::Newest),
            (3, Some(1), Some(2), Course::Newest),
        ] {
            assert_eq!(course(&updated(revision), &status(proven, failed)), wanted);
        }
        assert_eq!(course(&lease(&manifest_yaml()), &status(None, Some(1))), Course::Newest);
    }

    #[test]
    fn the_previous_manifest_takes_the_place_of_the_newest() {
        let lease = updated(2);
        let newest = lease.spec.manifest.as_ref().unwrap();
        assert_eq!((Course::Newest.revision(newest), Course::Previous.revision(newest)), (2, 1));
        assert_eq!(with_previous(&self::lease(&manifest_yaml())), None);
        let back = with_previous(&lease).unwrap();
        let wanted = ManifestRef {
            secret_name: "before".to_owned(),
            hash: format!("0x{}", "7".repeat(64)),
            revision: 1,
            previous: None,
        };
        assert_eq!(back.spec.manifest, Some(wanted));
        assert_eq!(back.metadata, lease.metadata);
    }

    #[test]
    fn the_time_of_an_update_follows_from_probes_and_replicas() {
        let service = |replicas: u32, readiness: &str| {
            let text = format!(
                "
version: v1
name: one
duration: 1h
services:
  a:
    image: registry.example/a@sha256:{}
    resources: {{cpu: 100m, memory: 64Mi}}
    replicas: {replicas}
    ports: [{{port: 80}}]
{readiness}",
                "3".repeat(64)
            );
            patience(&manifest_of(&text)).as_secs()
        };
        assert_eq!(service(2, ""), 300 + 2 * 30);
        let probe = "    readiness: {tcpSocket: {port: 80}, initialDelaySeconds: 10, periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 6}";
        assert_eq!(service(3, probe), 300 + 3 * (30 + 10 + 5 * 6 + 2));
        let slow = "    readiness: {tcpSocket: {port: 80}, periodSeconds: 3600, failureThreshold: 10}";
        assert_eq!(service(3, slow), 7200);
    }

    #[test]
    fn a_revision_is_tried_until_it_is_ready_or_its_time_is_over() {
        let lease = updated(2);
        let newest = lease.spec.manifest.as_ref().unwrap();
        let patience = SignedDuration::from_secs(400);
        let begun =
            Rollout { revision: 2, started_at: now().as_second(), deadline_at: now().as_second() + 400 };
        let at = |second: i64, status: &ComputeLeaseStatus, readiness: Readiness| {
            stage(newest, status, readiness, patience, now() + SignedDuration::from_secs(second))
        };
        let fresh = status(Some(1), None);
        assert_eq!(at(0, &fresh, Readiness::Incomplete), Stage::Trying(begun));
        let trying = ComputeLeaseStatus { rollout: Some(begun), ..fresh.clone() };
        assert_eq!(at(399, &trying, Readiness::Incomplete), Stage::Trying(begun));
        assert_eq!(at(400, &trying, Readiness::Incomplete), Stage::Failed);
        assert_eq!(at(400, &trying, Readiness::Complete), Stage::Proven);
        // A rollout of an earlier revision has no say.
        let other = ComputeLeaseStatus { rollout: Some(Rollout { revision: 1, ..begun }), ..fresh };
        assert_eq!(at(0, &other, Readiness::Incomplete), Stage::Trying(begun));
        assert_eq!(at(900, &status(Some(2), None), Readiness::Incomplete), Stage::Settled);
        assert_eq!(at(900, &status(Some(1), Some(2)), Readiness::Incomplete), Stage::Settled);
        let first = self::lease(&manifest_yaml());
        let first = first.spec.manifest.as_ref().unwrap();
        assert_eq!(stage(first, &status(None, None), Readiness::Incomplete, patience, now()), Stage::Settled);
    }
}
