//! One lease's life behind a proxy: each of its actions, what goes wrong in it, and what it left.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::fault_proxy::{Call, CallKind, FaultProxy, Link, Moment, Stopped};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::ApiResource,
};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    action::{self, Action},
    child::{Operator, Starter},
    end_state::{self, EndState},
    fault::{self, Fault},
    mirror::{Mirror, Sight},
};
use crate::{cluster::Cluster, kubelet::Kubelet};

/// How long an action may take, on a busy machine and with the operator's own waits. A call that dies on its way may have been
/// counted by the namespace's quota, and the API server's controller counts anew only every five minutes.
const PATIENCE: Duration = Duration::from_secs(330);
/// How long the last calls of an action may come after all is as it should be: Events are written last.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// A replica's wait for a dead leader's Lease, and what a busy machine adds.
const LONGEST_TAKEOVER: Duration = Duration::from_secs(45);

/// A replica with its own way to the API server.
struct Replica {
    proxy: FaultProxy,
    starter: Starter,
    operator: Operator,
}

/// A lease and whoever works for it.
pub(super) struct Life<'a> {
    cluster: &'a Cluster,
    number: u32,
    replica: Replica,
    replicas: u32,
    mirror: Mirror,
    /// Made before the life began, by somebody else.
    foreign: BTreeMap<String, usize>,
    /// Watches that an operator opens.
    watches: Vec<String>,
    _kubelet: Kubelet,
}

/// What goes wrong, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disturbance {
    pub(super) fault: Fault,
    pub(super) number: usize,
    pub(super) moment: Moment,
}

/// What came of an action.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) state: EndState,
    /// What differs from what was wanted.
    pub(super) differences: Vec<String>,
    /// Where it was disturbed, if it was.
    pub(super) stopped: Option<Call>,
    /// Calls of all the operators that worked on it.
    pub(super) calls: Vec<Call>,
}

impl Done {
    /// How many writes the API server took.
    pub(super) fn writes(&self) -> usize {
        writes(&self.calls)
    }
}

/// How many of these calls are writes that the API server took.
pub(super) fn writes(calls: &[Call]) -> usize {
    let taken = |call: &&Call| {
        call.kind == CallKind::Write && call.status.is_some_and(|status| (200..300).contains(&status))
    };
    calls.iter().filter(taken).count()
}

impl<'a> Life<'a> {
    /// Starts an operator, and follows a lease that is not there yet. `watches` are known from an earlier life, or none.
    pub(super) async fn begin(
        cluster: &'a Cluster,
        number: u32,
        kinds: &[ApiResource],
        watches: &[String],
    ) -> Result<Self> {
        cluster.grant_rights().await?;
        cluster.ensure_storage_class().await?;
        let name = action::name(number);
        let life = Self {
            cluster,
            number,
            replica: Replica::start(cluster, "first").await?,
            replicas: 1,
            mirror: Mirror::follow(cluster, &name, kinds),
            foreign: BTreeMap::new(),
            watches: watches.to_vec(),
            _kubelet: Kubelet::start(cluster, &name, "nobody"),
        };
        Ok(life)
    }

    /// The watches that the operator has open, in the words of every life.
    pub(super) fn watches(&self) -> Vec<String> {
        watches(&self.replica.proxy, self.cluster)
    }

    /// Does one action, disturbed or not, until all is as `wanted`, or as it seems to stay.
    pub(super) async fn act(
        &mut self,
        action: Action,
        disturbance: Option<Disturbance>,
        wanted: Option<&EndState>,
    ) -> Result<Done> {
        self.is_ready().await.context("the operator did not get ready")?;
        let before = end_state::uids(&self.mirror.sight());
        self.replica.proxy.count_from_one();
        let mut stop = disturbance
            .map(|Disturbance { number, moment, .. }| self.replica.proxy.stop_at(number, moment))
            .map(|stop| Box::pin(stop.reached()));
        let fault = disturbance.map(|disturbance| disturbance.fault);
        let standby = match fault {
            Some(Fault::LeaderLost) => Some(self.standby().await?),
            _ => None,
        };
        let mut standby = standby;
        let held = match fault {
            Some(Fault::NamespaceStuck) => {
                let held = fault::hold_namespace(self.cluster, self.number, action).await?;
                if action == Action::Create {
                    self.foreign = self.mirror.sight().made;
                }
                Some(held)
            }
            _ => None,
        };
        if fault == Some(Fault::WatchesCut) {
            self.replica.proxy.cut_watches(fault::CUTS);
        }

        let generation = action.begin(self.cluster, self.number).await?;
        let mut done =
            Done { state: EndState::default(), differences: Vec::new(), stopped: None, calls: Vec::new() };
        let mut end = Instant::now() + PATIENCE;
        loop {
            let sight = self.sight();
            let mut is_same = false;
            if action.is_settled(generation, &sight.objects) {
                done.state = EndState::of(&sight, &before, &self.cluster.system, &action::name(self.number));
                done.differences = wanted.map(|wanted| wanted.differences(&done.state)).unwrap_or_default();
                is_same = done.differences.is_empty();
            } else {
                done.differences = vec![unsettled(action, &sight)];
            }
            if is_same && stop.is_none() {
                break;
            }
            let patience = if is_same { end.min(Instant::now() + AFTERWARDS) } else { end };
            tokio::select! {
                biased;
                stopped = async { stop.as_mut().expect("it is there").await }, if stop.is_some() => {
                    stop = None;
                    let stopped = stopped?;
                    done.stopped = Some(stopped.call().clone());
                    let fault = fault.context("only a fault stops a call")?;
                    done.calls.append(&mut self.disturb(fault, stopped, &mut standby).await?);
                    end = Instant::now() + PATIENCE;
                }
                ended = self.replica.operator.ended() => {
                    ended?;
                    self.start_again().await?;
                }
                changed = self.mirror.changed() => changed?,
                () = sleep_until(patience) => break,
            }
        }
        if let Some(held) = held {
            held.await.context("the test's task panicked")??;
        }
        done.calls.append(&mut self.replica.proxy.calls());
        Ok(done)
    }

    /// Stops the operator for good: what is there from now on is what it left.
    pub(super) async fn without_operator(&mut self) -> Result<()> {
        self.replica.operator.kill().await?;
        self.replica.proxy.disconnect();
        Ok(())
    }

    /// Kills the operator between two calls, and starts it again.
    pub(super) async fn restart(&mut self) -> Result<()> {
        self.replica.operator.kill().await?;
        self.start_again().await?;
        self.is_ready().await
    }

    /// Waits until exactly this differs from what was wanted. All that is there counts as made by the last action.
    pub(super) async fn until_differs(&mut self, wanted: &EndState, lines: &[&str]) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let name = action::name(self.number);
            let state = EndState::of(&self.sight(), &BTreeSet::new(), &self.cluster.system, &name);
            let differences = wanted.differences(&state);
            if differences == lines {
                return Ok(());
            }
            tokio::select! {
                changed = self.mirror.changed() => changed?,
                () = sleep_until(end) => anyhow::bail!("this differs instead: {differences:#?}"),
            }
        }
    }

    /// What is there, without what was made before the life began.
    pub(super) fn sight(&self) -> Sight {
        let mut sight = self.mirror.sight();
        for (kind, foreign) in &self.foreign {
            if let Some(made) = sight.made.get_mut(kind) {
                *made -= foreign;
            }
        }
        sight
    }

    async fn disturb(
        &mut self,
        fault: Fault,
        stopped: Stopped,
        standby: &mut Option<Replica>,
    ) -> Result<Vec<Call>> {
        match fault {
            Fault::Killed | Fault::WatchesCut | Fault::NamespaceStuck => self.die(stopped).await?,
            Fault::ApiServerAway => {
                self.replica.proxy.set_link(Link::Refused);
                self.die(stopped).await?;
                // The length of the fault, and not a wait for anything.
                sleep(fault::away()).await;
                self.replica.proxy.set_link(Link::Open);
            }
            Fault::ApiServerAwayFromTheLiving => {
                self.replica.proxy.set_link(Link::Refused);
                stopped.disconnect();
                sleep(fault::away()).await;
                self.replica.proxy.set_link(Link::Open);
            }
            Fault::CrdUpgraded => {
                let text = format!("Upgraded in life {} at {}.", self.number, stopped.call().path);
                fault::upgrade_crd(&self.cluster.admin, &text).await?;
                self.die(stopped).await?;
            }
            Fault::LeaderLost => {
                let standby = standby.take().context("there is a standby")?;
                return self.hand_over(stopped, standby).await;
            }
        }
        Ok(Vec::new())
    }

    async fn die(&mut self, stopped: Stopped) -> Result<()> {
        self.replica.operator.kill().await?;
        stopped.disconnect();
        self.start_again().await
    }

    /// Starts an operator in the place of one that is dead, as the kubelet would.
    async fn start_again(&mut self) -> Result<()> {
        self.replica.proxy.disconnect();
        free_election(self.cluster).await?;
        self.replica.operator = self.replica.starter.start()?;
        Ok(())
    }

    /// A second replica that is ready to take over.
    async fn standby(&mut self) -> Result<Replica> {
        self.replicas += 1;
        let standby = Replica::start(self.cluster, &format!("replica{}", self.replicas)).await?;
        let (cluster, wanted) = (self.cluster, &self.watches);
        until(&standby.proxy, |proxy| watches(proxy, cluster).len() >= wanted.len()).await?;
        ensure!(standby.proxy.elections() == 0, "the standby was elected beside a leader");
        Ok(standby)
    }

    /// Holds a call, and everything after it, until the other replica works; then lets it go, and nothing comes of it.
    async fn hand_over(&mut self, stopped: Stopped, standby: Replica) -> Result<Vec<Call>> {
        let taken = until(&standby.proxy, |proxy| proxy.elections() > 0);
        timeout(LONGEST_TAKEOVER, taken).await.context("no other replica took over")??;
        let is_write = stopped.call().kind == CallKind::Write;
        ensure!(
            !is_write || stopped.is_abandoned(),
            "a write of the old leader is still under way when the new one works: {:?}",
            stopped.call()
        );
        let before = self.replica.proxy.calls().len();
        stopped.release();
        let ended = timeout(LONGEST_TAKEOVER, self.replica.operator.ended());
        let status = ended.await.context("the old leader did not end")??;
        ensure!(!status.success(), "the old leader ended as if nothing had happened");
        let calls = self.replica.proxy.calls();
        let late = calls.iter().skip(before).filter(|call| call.kind == CallKind::Write).count();
        ensure!(late == 0, "the old leader wrote {late} times after the new one was elected");
        self.replica = standby;
        Ok(calls)
    }

    /// Waits until the operator is elected and follows everything, so that calls from now on are the action's. One that ends
    /// meanwhile, as it does when its term is over, is started again.
    async fn is_ready(&mut self) -> Result<()> {
        let (cluster, wanted) = (self.cluster, self.watches.clone());
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let ready = until(&self.replica.proxy, |proxy| {
                let open = watches(proxy, cluster);
                proxy.elections() > 0 && wanted.iter().all(|path| open.contains(path))
            });
            tokio::select! {
                ready = ready => return ready,
                ended = self.replica.operator.ended() => { ended?; }
            }
            self.start_again().await?;
        }
        anyhow::bail!("it ended again and again (logs: {})", self.replica.starter.folder().display())
    }
}

impl Replica {
    async fn start(cluster: &Cluster, name: &str) -> Result<Self> {
        let proxy = FaultProxy::start(cluster.operator_config()).await?;
        let mut starter = Starter::new(cluster, &proxy, name)?;
        let operator = starter.start()?;
        Ok(Self { proxy, starter, operator })
    }
}

/// Waits until something holds of what passed a proxy.
async fn until(proxy: &FaultProxy, holds: impl Fn(&FaultProxy) -> bool) -> Result<()> {
    let mut changes = proxy.changes();
    timeout(PATIENCE, async {
        while !holds(proxy) {
            changes.changed().await.context("the proxy ended")?;
        }
        Ok(())
    })
    .await
    .context("it took too long")?
}

fn watches(proxy: &FaultProxy, cluster: &Cluster) -> Vec<String> {
    proxy.watches().iter().map(|path| path.replace(&cluster.system, "SYSTEM")).collect()
}

/// Does at once what fifteen seconds would: nobody who is dead holds the election. What that wait is worth is another test's.
async fn free_election(cluster: &Cluster) -> Result<()> {
    let leases = Api::<Lease>::namespaced(cluster.admin.clone(), &cluster.system);
    let free = json!({"spec": {"holderIdentity": ""}});
    match leases.patch(crd::labels::OPERATOR_ELECTION, &PatchParams::default(), &Patch::Merge(&free)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        freed => freed.map(drop).context("failed to free the election"),
    }
}

fn unsettled(action: Action, sight: &Sight) -> String {
    let lease = sight.objects.iter().find(|object| object["kind"] == "ComputeLease");
    let status = lease.map(|lease| &lease["status"]);
    let kinds: Vec<_> = sight
        .objects
        .iter()
        .map(|object| {
            format!(
                "{}/{}",
                object["kind"].as_str().unwrap_or("?"),
                object["metadata"]["name"].as_str().unwrap_or("?")
            )
        })
        .collect();
    format!("{action:?} is still under way: {} with {}", json!(status), kinds.join(", "))
}
