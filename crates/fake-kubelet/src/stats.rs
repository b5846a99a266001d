//! What a kubelet answers.

use crate::{Fault, Script, Span};

/// An answer of `/stats/summary`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the kubelet shows.
    Pods(Vec<PodReading>),
    /// No answer that is any use.
    Nothing(Fault),
}

/// What the kubelet shows of a pod, and the truth behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodReading {
    /// Which pod of the script.
    pub pod: usize,
    /// When it was really read.
    pub tick: u64,
    /// Which boot of the node it was read in.
    pub boot: usize,
    /// When its sandbox really began.
    pub sandbox: u64,
    /// UID that is shown.
    pub uid: String,
    /// Name that is shown.
    pub name: String,
    /// Second at which its sandbox began, on the node's clock.
    pub start: u64,
    /// Second at which it was read, on the node's clock.
    pub at: u64,
    /// CPU nanoseconds of its control group.
    pub cpu: u64,
    /// Working set.
    pub memory: u64,
    /// Bytes sent since its sandbox began.
    pub tx: u64,
}

impl Script {
    /// The answer of a node at a moment.
    pub fn stats(&self, node: usize, at: u64, fault: Fault) -> Answer {
        let kubelet = &self.nodes[node];
        if !kubelet.speaks(at) {
            return Answer::Nothing(Fault::Cut);
        }
        let (asked, shown) = match fault {
            Fault::None => (at, u64::MAX),
            Fault::Stale(by) => (at - by, u64::MAX),
            Fault::Partial(mask) => (at, mask),
            Fault::Status(_) | Fault::Hang | Fault::Cut | Fault::Garbage => return Answer::Nothing(fault),
        };
        // A kubelet forgets with the node what it had read before.
        let tick = kubelet.tick_before(asked).filter(|_| kubelet.boot(asked) == kubelet.boot(at));
        let pods = self.pods.iter().enumerate().filter(|(index, pod)| {
            pod.node == node && (at < pod.gone || asked < at) && shown >> (index % 64) & 1 == 1
        });
        Answer::Pods(pods.filter_map(|(index, _)| self.reading(index, tick?)).collect())
    }

    fn reading(&self, index: usize, tick: u64) -> Option<PodReading> {
        let pod = &self.pods[index];
        let node = &self.nodes[pod.node];
        let (boot, booted) = node.boot(tick);
        let sandbox = *pod.sandboxes.iter().rfind(|start| **start <= tick)?;
        let lives = booted <= sandbox && pod.runs.last().is_some_and(|run| tick < run.span.to);
        lives.then(|| PodReading {
            pod: index,
            tick,
            boot,
            sandbox,
            uid: pod.uid.clone(),
            name: pod.name.clone(),
            start: node.clock(sandbox) / 1000,
            at: node.clock(tick) / 1000,
            cpu: pod.burnt(Span { from: booted, to: tick }),
            memory: pod.memory,
            tx: pod.sent(Span { from: sandbox, to: tick }),
        })
    }
}
