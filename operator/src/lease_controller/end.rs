//! How a lease ends: publish the last usage, delete the namespace, wait until it is gone.
//!
//! Each step is decided from what is there, so the order holds through any restart.

use crd::{ComputeLease, LeaseUsage, condition};

use super::{
    Context,
    cleanup::{self, Teardown},
    stuck::{self, Stuck},
};

/// Where the end of a lease stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The last usage was counted; nothing was deleted yet.
    UsageFinal(Option<Box<LeaseUsage>>),
    /// The namespace is being deleted.
    DeletingNamespace,
    /// The namespace is gone, a volume of it is not.
    DeletingVolumes,
    /// It takes too long.
    Stuck(Stuck),
    /// Nothing is left.
    Ended,
}

/// Takes the next step.
pub async fn end(lease: &ComputeLease, ctx: &Context) -> Result<Ending, cleanup::Error> {
    let status = ctx.memory.status(lease);
    if !condition::is_true(&status.conditions, condition::USAGE_FINAL) {
        let usage = ctx.meter.finish(lease, &ctx.stores, (ctx.clock)()).await;
        return Ok(Ending::UsageFinal(usage.map(Box::new)));
    }
    let teardown = cleanup::tear_down(lease, ctx).await?;
    if let Some(stuck) = stuck::look(lease, ctx, teardown).await? {
        return Ok(Ending::Stuck(stuck));
    }
    Ok(match teardown {
        Teardown::DeletingNamespace => Ending::DeletingNamespace,
        Teardown::DeletingVolumes => Ending::DeletingVolumes,
        Teardown::Gone => Ending::Ended,
    })
}
