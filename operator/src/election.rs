//! Who works: one of several replicas holds a `coordination.k8s.io` Lease, the others stand by.
//!
//! No clock but one's own counts. A candidate takes the Lease only after it has itself seen it unchanged for the Lease's
//! whole duration; the holder stops writing before that time has passed since it *began* the renewal that succeeded last.
//! So two never write at once, whatever their clocks say. Times inside the Lease are for people.

mod term;

use std::time::Duration;

use crd::labels;
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use telemetry::CancellationToken;
use tokio::time::{Instant, sleep, timeout};

pub use self::term::Term;
use self::term::TermWriter;

/// Longest time that giving the Lease back may take: a process that ends must not hang here.
const LONGEST_RELEASE: Duration = Duration::from_secs(2);

/// Which Lease decides, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElectionSettings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease: one for each kind of work.
    pub name: String,
    /// Who we are. Never the same for two processes, nor for a process and the one that was started in its place.
    pub identity: String,
    /// How long a candidate must see the Lease unchanged before it may take it.
    pub lease_duration: Duration,
    /// How long the holder works on after it began the last renewal that succeeded. Shorter than the duration.
    pub renew_deadline: Duration,
    /// Time between two tries.
    pub retry_period: Duration,
}

impl ElectionSettings {
    /// The usual times for a Lease of this name.
    pub fn new(namespace: &str, name: &str, identity: String) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity,
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(1),
        }
    }
}

/// A name in the election that no other process has: a container that is started again keeps its host name, so the time
/// of the start belongs to it.
pub fn identity(replica: &str, started: Timestamp) -> String {
    format!("{replica}_{:x}_{}", started.as_nanosecond(), std::process::id())
}

/// Why a term ended before its work did. The process must end too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Somebody else holds the Lease.
    #[error("the lease of the election was taken by another process")]
    Taken,
    /// No renewal succeeded in time.
    #[error("the lease of the election could not be renewed in time")]
    Expired,
}

/// One candidate of an election.
#[derive(Debug)]
pub struct Election {
    api: Api<Lease>,
    settings: ElectionSettings,
    term: TermWriter,
    seen: Option<Seen>,
}

/// The Lease as it was last seen to change.
#[derive(Debug)]
struct Seen {
    lease: Lease,
    since: Instant,
}

/// What came of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    Held,
    HeldByAnother,
}

impl Election {
    /// A candidate that has not tried yet. The client must be one that writes without a term.
    pub fn new(client: Client, settings: ElectionSettings) -> Self {
        let api = Api::namespaced(client, &settings.namespace);
        Self { api, settings, term: TermWriter::default(), seen: None }
    }

    /// What tells whether this candidate may write.
    pub fn term(&self) -> Term {
        self.term.reader()
    }

    /// Waits until the Lease is ours.
    pub async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(Try::Held) => {
                    tracing::info!(lease = self.settings.name, "elected");
                    return;
                }
                Ok(Try::HeldByAnother) => {}
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to ask for the election's lease"
                    );
                }
            }
            sleep(self.settings.retry_period).await;
        }
    }

    /// Renews until the work is `done`, then gives the Lease back so that a standby need not wait.
    pub async fn hold(mut self, done: CancellationToken) -> Result<(), Lost> {
        loop {
            let Some(left) = self.term.left() else { return Err(self.lost(Lost::Expired)) };
            tokio::select! {
                () = done.cancelled() => {
                    self.release().await;
                    return Ok(());
                }
                () = sleep(self.settings.retry_period.min(left)) => {}
            }
            match self.attempt().await {
                Ok(Try::Held) => {}
                Ok(Try::HeldByAnother) => return Err(self.lost(Lost::Taken)),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "failed to renew the election's lease"
                    );
                }
            }
        }
    }

    fn lost(&self, why: Lost) -> Lost {
        self.term.end();
        why
    }

    /// Takes or renews the Lease if nobody else holds it. A call without an answer counts as failed after half the deadline,
    /// so that one lost connection leaves time for another.
    async fn attempt(&mut self) -> Result<Try, kube::Error> {
        let limit = self.settings.renew_deadline / 2;
        match timeout(limit, self.take_or_renew()).await {
            Ok(result) => result,
            Err(elapsed) => Err(kube::Error::Service(elapsed.into())),
        }
    }

    async fn take_or_renew(&mut self) -> Result<Try, kube::Error> {
        // Who holds it need not look before writing: the resource version tells if anything changed.
        if !self.is_ours() {
            let found = self.api.get_opt(&self.settings.name).await?;
            let is_missing = found.is_none();
            if let Some(lease) = found {
                self.saw(lease);
            }
            // A Lease that somebody deleted is no proof that its holder stopped: it counts as when it was last seen.
            if self.seen.is_some() && !self.may_take() {
                return Ok(Try::HeldByAnother);
            }
            if is_missing {
                return self.create().await;
            }
        }
        let Some(wanted) = self.seen.as_ref().map(|seen| self.renewed(&seen.lease)) else {
            return Ok(Try::HeldByAnother);
        };
        let began = Instant::now();
        match self.api.replace(&self.settings.name, &PostParams::default(), &wanted).await {
            Ok(lease) => Ok(self.held(lease, began)),
            // An earlier renewal may have arrived without our knowing, or somebody took the Lease: look.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                self.look().await
            }
            Err(error) => Err(error),
        }
    }

    async fn create(&mut self) -> Result<Try, kube::Error> {
        let began = Instant::now();
        match self.api.create(&PostParams::default(), &self.renewed(&Lease::default())).await {
            Ok(lease) => Ok(self.held(lease, began)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Try::HeldByAnother),
            Err(error) => Err(error),
        }
    }

    /// Reads who holds the Lease after a write that lost a race. It is tried again if that is us or nobody.
    async fn look(&mut self) -> Result<Try, kube::Error> {
        match self.api.get_opt(&self.settings.name).await? {
            Some(lease) => self.saw(lease),
            None => self.seen = None,
        }
        let ours = self.is_ours() && self.term.left().is_some();
        if ours || (self.seen.is_none() && self.term.left().is_some()) {
            // The term goes on as long as it was granted; the next try renews it.
            return Ok(Try::Held);
        }
        Ok(Try::HeldByAnother)
    }

    fn held(&mut self, lease: Lease, began: Instant) -> Try {
        self.saw(lease);
        self.term.extend(began + self.settings.renew_deadline);
        Try::Held
    }

    fn saw(&mut self, lease: Lease) {
        let changed = self.seen.as_ref().is_none_or(|seen| seen.lease.spec != lease.spec);
        let since = match &self.seen {
            Some(seen) if !changed => seen.since,
            _ => Instant::now(),
        };
        self.seen = Some(Seen { lease, since });
    }

    fn is_ours(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| holder(&seen.lease) == self.settings.identity)
    }

    /// Whether the Lease as it was seen is free, or its holder was silent for its whole duration while we watched.
    fn may_take(&self) -> bool {
        let Some(Seen { lease, since }) = &self.seen else { return false };
        let holder = holder(lease);
        // Another setting of ours may be in force at the holder during an upgrade: the longer of both counts.
        let theirs = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        let duration =
            self.settings.lease_duration.max(Duration::from_secs(u64::try_from(theirs).unwrap_or_default()));
        holder.is_empty() || holder == self.settings.identity || since.elapsed() >= duration
    }

    /// The Lease with us as its holder.
    fn renewed(&self, old: &Lease) -> Lease {
        let now = MicroTime(Timestamp::now());
        let old_spec = old.spec.clone().unwrap_or_default();
        let stays = holder(old) == self.settings.identity;
        let transitions = old_spec.lease_transitions.unwrap_or_default();
        Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.name.clone()),
                resource_version: old.metadata.resource_version.clone(),
                labels: Some([(labels::MANAGED_BY.to_owned(), labels::MANAGED_BY_VALUE.to_owned())].into()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.settings.identity.clone()),
                lease_duration_seconds: Some(seconds(self.settings.lease_duration)),
                acquire_time: if stays { old_spec.acquire_time } else { Some(now.clone()) },
                renew_time: Some(now),
                lease_transitions: Some(if stays { transitions } else { transitions.saturating_add(1) }),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Stops writing, then frees the Lease. A failure costs the standby the Lease's duration and nothing else.
    async fn release(&mut self) {
        self.term.end();
        let Some(seen) = self.seen.take() else { return };
        let mut free = self.renewed(&seen.lease);
        if let Some(spec) = &mut free.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        let (name, params) = (self.settings.name.clone(), PostParams::default());
        match timeout(LONGEST_RELEASE, self.api.replace(&name, &params, &free)).await {
            Ok(Ok(_)) => tracing::info!(lease = name, "gave the election's lease back"),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "failed to give the election's lease back"
                );
            }
            Err(_) => tracing::warn!("failed to give the election's lease back in time"),
        }
    }
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

fn seconds(duration: Duration) -> i32 {
    // Rounded up: a candidate that waits too long is harmless, one that waits too short is not.
    i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
