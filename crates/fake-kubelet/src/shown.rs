//! What the API server shows of a script: whole seconds, by the clock of each node.

use std::collections::BTreeSet;

use crate::{GRACE, PodScript, RunScript, Script, Span};

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPod {
    /// Its UID.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its node.
    pub node: usize,
    /// Its limits: thousandths of a CPU, and bytes.
    pub limits: (u64, u64),
    /// What its container does.
    pub state: ShownState,
    /// The run before.
    pub last_run: Option<ShownRun>,
    /// When it was told to end, on the API server's clock.
    pub told_to_end: Option<u64>,
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownState {
    /// It does not run.
    Waiting,
    /// It runs.
    Running {
        /// Since this second.
        started: u64,
        /// And has been ready since this one.
        ready: Option<u64>,
    },
    /// It will not run again.
    Terminated(ShownRun),
}

/// A run that is over, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownRun {
    /// When it began.
    pub started: u64,
    /// When it ended.
    pub finished: u64,
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownNode {
    /// Which boot.
    pub boot: usize,
    /// Whether it is ready and nothing ails it.
    pub fit: bool,
    /// When its kubelet renewed its Lease, in milliseconds on its own clock.
    pub heartbeat: u64,
}

impl Script {
    /// The pods that the API shows at a moment.
    pub fn pods_at(&self, at: u64) -> Vec<ShownPod> {
        self.pods
            .iter()
            .filter(|pod| pod.created <= at && at < pod.gone)
            .map(|pod| self.pod_at(pod, at))
            .collect()
    }

    fn pod_at(&self, pod: &PodScript, at: u64) -> ShownPod {
        let node = &self.nodes[pod.node];
        let second = |moment: u64| node.clock(moment) / 1000;
        let shown = |run: &RunScript| ShownRun { started: second(run.span.from), finished: second(run.said) };
        let begun: Vec<&RunScript> = pod.runs.iter().filter(|run| run.span.from <= at).collect();
        let (state, last) = match begun.split_last() {
            None => (ShownState::Waiting, None),
            Some((run, before)) if at < run.told => {
                let unready = run.flaps.iter().chain(&node.unfit);
                // The control plane says so of a lost node's pods, until the kubelet says otherwise.
                let takes_along = |down: &Span| down.from == run.span.to && down.from + GRACE < down.to;
                let lost = node.reboots.iter().any(|down| takes_along(down) && down.from + GRACE <= at);
                let is_ready = run.ready <= at && !lost && !unready.clone().any(|span| span.holds(at));
                let turned = unready.map(|span| span.to).filter(|to| *to <= at).fold(run.ready, u64::max);
                let state = ShownState::Running {
                    started: second(run.span.from),
                    ready: is_ready.then(|| second(turned)),
                };
                (state, before.last())
            }
            Some((run, before)) if pod.told_to_end.is_some() && begun.len() == pod.runs.len() => {
                (ShownState::Terminated(shown(run)), before.last())
            }
            Some((run, _)) => (ShownState::Waiting, Some(run)),
        };
        ShownPod {
            uid: pod.uid.clone(),
            name: pod.name.clone(),
            node: pod.node,
            limits: (pod.cpu_limit, pod.memory_limit),
            state,
            last_run: last.map(|run| shown(run)),
            told_to_end: pod.told_to_end.filter(|told| *told <= at),
        }
    }

    /// What the API shows of a node at a moment.
    pub fn node_at(&self, node: usize, at: u64) -> ShownNode {
        let node = &self.nodes[node];
        let is_lost = node.reboots.iter().any(|down| down.from + GRACE <= at && at < down.to);
        ShownNode {
            boot: node.boot(at).0,
            fit: !is_lost && !node.unfit.iter().any(|span| span.holds(at)),
            heartbeat: node.clock(node.heartbeat_before(at)),
        }
    }

    /// Every moment at which the API shows something new, in order.
    pub fn changes(&self) -> BTreeSet<u64> {
        let mut changes = BTreeSet::new();
        for node in &self.nodes {
            changes.extend(node.unfit.iter().flat_map(|span| [span.from, span.to]));
            changes.extend(node.reboots.iter().flat_map(|down| [down.from + GRACE, down.to]));
        }
        for pod in &self.pods {
            changes.extend([pod.created, pod.gone]);
            changes.extend(pod.told_to_end);
            for run in &pod.runs {
                changes.extend([run.span.from, run.ready, run.told]);
                changes.extend(run.flaps.iter().flat_map(|span| [span.from, span.to]));
            }
        }
        changes.retain(|at| *at < self.end);
        changes
    }
}
