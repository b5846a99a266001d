//! One try: bring both pseudo-leases up, wait for the dialer's word, and say what it means.
//!
//! Every step may be repeated, so the try is a loop over what is there; and what is there is told by the same watches, and
//! written by the same hands, as any lease.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crd::ComputeLease;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use manifest::ImageRef;
use tokio::time::Instant;

use super::{dial::Word, enforcement::Finding, leases::Side};
use crate::{
    lease_controller::{
        self, Applied, Context,
        build::workload,
        cleanup, dereference,
        diagnosis::{self, text::Hidden},
        images::{self, Images},
        name_servers, pods,
        validate::Validated,
    },
    settings::Settings,
};

/// How long the pods may take until the dialer has spoken. Its own patience is a minute and a half.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long what an earlier try left may take to go.
const LONGEST_CLEARING: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Removing a namespace takes seconds.
const LOOK_AGAIN_AFTER_DELETION: Duration = Duration::from_secs(2);

/// A failure of the API server, or of the image's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The image cannot be used.
    #[error("the canary's manifest is not valid: {0}")]
    Manifest(String),
    /// Reading failed.
    #[error("failed to look at the canary's namespace: {0}")]
    Dereference(#[source] dereference::Error),
    /// Writing failed.
    #[error("failed to write the canary's objects: {0}")]
    Apply(#[source] lease_controller::apply::Error),
    /// Removing failed.
    #[error("failed to remove the canary's objects: {0}")]
    Clear(#[source] cleanup::Error),
    /// What an earlier try left does not go.
    #[error("what an earlier try left in {namespace} does not go")]
    Residue {
        /// The namespace.
        namespace: String,
    },
    /// A namespace that is not ours has the canary's name.
    #[error("the namespace {namespace} belongs to somebody else")]
    Foreign {
        /// The namespace.
        namespace: String,
    },
}

pub(super) struct Attempt<'a> {
    ctx: &'a Context,
    image: &'a ImageRef,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(ctx: &'a Context, image: &'a ImageRef) -> Self {
        Self { ctx, image }
    }

    pub(super) async fn run(&self) -> Finding {
        let begun = Instant::now();
        if let Err(error) = clear(self.ctx).await {
            return Finding::Inconclusive { why: error.to_string() };
        }
        loop {
            let why = match self.step().await {
                Ok(Step::Spoken(word)) => return word.finding(),
                Ok(Step::Waiting { why }) => why,
                Err(error) => error.to_string(),
            };
            if begun.elapsed() > PATIENCE {
                return Finding::Inconclusive { why };
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Brings everything one step further.
    pub(super) async fn step(&self) -> Result<Step, Error> {
        let (listener, listener_pods) = self.bring_up(Side::Listener, None).await?;
        let address = listener_pods.iter().find_map(|pod| ready_address(pod));
        let (dialer, dialer_pods) = self.bring_up(Side::Dialer, address).await?;
        // Only the dialer that called the present listener counts.
        if address.is_some()
            && let State::Applied(dialer) = &dialer
            && let Some(form) = present_form(dialer, &self.ctx.settings)
        {
            let present = dialer_pods.iter().filter(|pod| pods::has_form(pod, &form));
            if let Some(word) = present.into_iter().find_map(|pod| word(pod)) {
                return Ok(Step::Spoken(word));
            }
        }
        let (side, state, pods) = match address {
            None => (Side::Listener, listener, listener_pods),
            Some(_) => (Side::Dialer, dialer, dialer_pods),
        };
        let why = match state {
            State::Pending => format!("the image {} is being looked up", self.image),
            State::Refused(why) => why,
            State::Applied(validated) => self.diagnose(side, &validated, &pods).await?,
        };
        Ok(Step::Waiting { why })
    }

    async fn bring_up(&self, side: Side, listener: Option<IpAddr>) -> Result<(State, Vec<Arc<Pod>>), Error> {
        let (ctx, settings) = (self.ctx, &self.ctx.settings);
        let lease = side.lease(settings);
        let pods = pods::of_lease(&ctx.stores.pods, &lease);
        let manifest = side.manifest(self.image, listener).map_err(|problems| {
            Error::Manifest(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let mut images = Vec::new();
        if self.image.digest().is_none() {
            let nodes = ctx.stores.nodes.state();
            let uid = lease.metadata.uid.as_deref().unwrap_or_default();
            match ctx.images.settle(uid, &manifest, &[], &images::platforms(&nodes)) {
                Ok(Images::Known(known)) => images = known,
                Ok(Images::Pending) => return Ok((State::Pending, pods)),
                Err(refused) => return Ok((State::Refused(refused.to_string()), pods)),
            }
        }
        let name_servers = name_servers::addresses(&ctx.stores.name_servers.state());
        let validated = side.validated(settings, manifest, images, name_servers);
        let addresses = pods::cluster_addresses(&ctx.stores.nodes.state());
        let mut objects = side.objects(&validated, settings, &addresses);
        if side == Side::Dialer && listener.is_none() {
            // There is nobody to call yet, but the namespace and its quota can be ready.
            objects.services.clear();
        }
        let namespace =
            dereference::known_namespace(&ctx.client, &ctx.live, &lease).await.map_err(Error::Dereference)?;
        let owned = ctx.live.of(&lease.name_any());
        let (applied, _) = lease_controller::apply_all(&lease, ctx, &namespace, &owned, objects)
            .await
            .map_err(Error::Apply)?;
        match applied {
            Applied::Complete | Applied::AwaitingQuota => Ok((State::Applied(Box::new(validated)), pods)),
            Applied::NamespaceConflict => Err(Error::Foreign { namespace: lease.name_any() }),
            // Somebody deleted it under our hands.
            Applied::NamespaceTerminating => Err(Error::Residue { namespace: lease.name_any() }),
        }
    }

    /// What keeps the pods of a side from running, as it would be told to a tenant.
    async fn diagnose(&self, side: Side, validated: &Validated, pods: &[Arc<Pod>]) -> Result<String, Error> {
        let namespace = validated.name.to_string();
        let refused = diagnosis::workload::refusals(&self.ctx.client, validated, pods)
            .await
            .map_err(|source| Error::Dereference(dereference::Error::GetDeployments { namespace, source }))?;
        let service = validated.manifest.services().values().next();
        let trouble = service.and_then(|service| {
            diagnosis::diagnose(&diagnosis::Evidence {
                service,
                pods: &pods.iter().collect::<Vec<_>>(),
                refused_pod: refused.get(side.service()).map(String::as_str),
                known: None,
                hidden: &Hidden::default(),
                now: (self.ctx.clock)(),
            })
        });
        Ok(trouble.map_or_else(
            || format!("the canary's {} did not get ready", side.service()),
            |trouble| format!("the canary's {} does not run: {}", side.service(), trouble.message),
        ))
    }
}

pub(super) enum Step {
    Spoken(Word),
    Waiting { why: String },
}

enum State {
    /// The image is being looked up.
    Pending,
    /// The image is refused.
    Refused(String),
    Applied(Box<Validated>),
}

/// Removes both pseudo-leases and waits until nothing is left of them.
pub(super) async fn clear(ctx: &Context) -> Result<(), Error> {
    let begun = Instant::now();
    for side in Side::ALL {
        let lease = side.lease(&ctx.settings);
        while !is_gone(ctx, &lease).await? {
            if begun.elapsed() > LONGEST_CLEARING {
                return Err(Error::Residue { namespace: lease.name_any() });
            }
            tokio::time::sleep(LOOK_AGAIN_AFTER_DELETION).await;
        }
        ctx.memory.forget(&lease);
        ctx.images.forget(lease.metadata.uid.as_deref().unwrap_or_default());
    }
    Ok(())
}

async fn is_gone(ctx: &Context, lease: &ComputeLease) -> Result<bool, Error> {
    Ok(cleanup::tear_down(lease, ctx).await.map_err(Error::Clear)? == cleanup::Teardown::Gone)
}

fn ready_address(pod: &Pod) -> Option<IpAddr> {
    let status = pod.status.as_ref().filter(|_| pods::is_ready(pod))?;
    status.pod_ip.as_deref()?.parse().ok()
}

/// What the pods of a side carry that were made from its present template, in which the listener's address stands.
fn present_form(validated: &Validated, settings: &Settings) -> Option<String> {
    let (name, service) = validated.manifest.services().iter().next()?;
    Some(workload::present_form(validated, settings, name, service))
}

/// What a dialer said at its end: it may have been started again since.
fn word(pod: &Pod) -> Option<Word> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let states = statuses.iter().flat_map(|status| [&status.state, &status.last_state]).flatten();
    states.filter_map(|state| state.terminated.as_ref()).find_map(|ended| Word::of_exit_code(ended.exit_code))
}
