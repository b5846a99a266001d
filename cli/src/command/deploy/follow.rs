//! From an open lease to a running workload: upload, then watch both the provider and the chain. Safe to repeat.

use std::time::Duration;

use anyhow::Context as _;
use chain::rpc::At;
use gateway_api::{LeasePhase, LeaseStatus, ManifestUpload};
use market::{LeaseId, LeaseState};

use crate::context::Context;
use crate::exit::{Kind, Stop};
use crate::gateway::{Gateway, GatewayError};
use crate::home::LeaseRecord;
use crate::poll;
use crate::progress::Progress;

/// How often provider and chain are asked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Returns when the provider says that everything is ready and the chain says that the clock runs.
pub(super) async fn until_ready(
    context: &Context,
    id: LeaseId,
    limit: Duration,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let record = context.home.lease(id)?;
    let chain = context.chain().await?;
    let gateway = context.gateway(id).await?;
    let mut watch = Watch { seen: Seen::default(), failure: None };
    progress.waiting("waiting for the provider");
    let ready = poll::until(limit, INTERVAL, async || {
        let Some(lease) = poll::tolerate(chain.lease(id, At::Latest).await)? else { return Ok(None) };
        check_state(id, lease.state)?;
        match step(context, &record, &gateway, id).await {
            Ok(status) => watch.note(&status, lease.state, progress),
            Err(error) if is_transient(&error) => watch.failure = Some(format!("{error:#}")),
            Err(error) => return Err(error),
        }
        Ok(watch.seen.is_complete().then_some(()))
    });
    match ready.await? {
        Some(()) => Ok(()),
        None => Err(watch.timed_out(id, limit).into()),
    }
}

fn check_state(id: LeaseId, state: LeaseState) -> anyhow::Result<()> {
    match state {
        LeaseState::Open | LeaseState::Active => Ok(()),
        LeaseState::None => {
            Err(Stop::new(Kind::NotFound, format!("lease {id} is not open on chain"))
                .advise(
                    "if it was interrupted a moment ago, its transaction may still be on its way: ask again in a minute. \
                     Otherwise no money moved; deploy the manifest again",
                )
                .into())
        }
        LeaseState::Disputed | LeaseState::Closed => {
            Err(anyhow::Error::new(Stop::new(Kind::NotFound, format!("lease {id} is over")).advise(
                "the provider may have declined it; your money is back in your account. Deploy again",
            )))
        }
    }
}

/// Uploads the manifest if the provider lacks it, then asks how far the lease is.
async fn step(
    context: &Context,
    record: &LeaseRecord,
    gateway: &Gateway,
    id: LeaseId,
) -> anyhow::Result<LeaseStatus> {
    let status = gateway.status(id).await?;
    if status.manifest_hash.is_some() {
        return Ok(status);
    }
    let canonical = context.home.manifest(id)?;
    let canonical = canonical.context("this machine does not have the lease's manifest; close the lease")?;
    let manifest = String::from_utf8(canonical.to_vec()).context("the kept manifest is damaged")?;
    gateway.upload_manifest(id, &ManifestUpload { salt: record.salt, manifest }).await?;
    Ok(gateway.status(id).await?)
}

fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref::<GatewayError>().is_some_and(GatewayError::is_transient)
}

/// How far things were seen to be.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    has_manifest: bool,
    is_ready: bool,
    is_active: bool,
}

impl Seen {
    fn is_complete(self) -> bool {
        self.is_ready && self.is_active
    }
}

struct Watch {
    seen: Seen,
    /// The newest thing that went wrong or is being waited for.
    failure: Option<String>,
}

impl Watch {
    fn note(&mut self, status: &LeaseStatus, state: LeaseState, progress: &mut Progress) {
        let message: String = status.message.chars().filter(|c| !c.is_control()).take(300).collect();
        progress.waiting(format!("{:?} {message}", status.phase));
        self.failure = Some(format!("the lease is {:?} at the provider {message}", status.phase));
        if status.manifest_hash.is_some() && !self.seen.has_manifest {
            self.seen.has_manifest = true;
            progress.done("manifestAccepted", "the provider accepted the manifest");
        }
        if status.phase == LeasePhase::Ready && !self.seen.is_ready {
            self.seen.is_ready = true;
            progress.done("ready", "every service is ready");
        }
        if state == LeaseState::Active && !self.seen.is_active {
            self.seen.is_active = true;
            progress.done("active", "confirmed on chain: the clock runs");
        }
    }

    fn timed_out(self, id: LeaseId, limit: Duration) -> Stop {
        let why = self.failure.map(|failure| format!(": {failure}")).unwrap_or_default();
        Stop::new(Kind::TimedOut, format!("the lease is not ready after {} s{why}", limit.as_secs())).advise(format!(
            "nothing is billed before it is ready. Go on waiting with `leasehold deploy --resume {id}`, or give up with \
             `leasehold close {id}`"
        ))
    }
}
