//! What really happens. Times are milliseconds on a clock that is right.

use crate::{HEARTBEAT, Load};

/// A stretch of time, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it begins.
    pub from: u64,
    /// When it is over.
    pub to: u64,
}

/// Everything that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What it was made from.
    pub seed: u64,
    /// Its nodes.
    pub nodes: Vec<NodeScript>,
    /// The lease's pods.
    pub pods: Vec<PodScript>,
    /// The lease's term, whole seconds.
    pub term: Span,
    /// When all is over.
    pub end: u64,
    /// When the nodes are scraped, and what goes wrong then.
    pub scrapes: Vec<Scrape>,
    /// While the meter is dead. It comes back with what it had published last.
    pub outage: Option<Span>,
    /// One answer in so many shows a counter that is a lie.
    pub lies: Option<u64>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeScript {
    /// Its name.
    pub name: String,
    /// How much its clock is ahead, milliseconds.
    pub skew: i64,
    /// How often the kubelet reads its counters.
    pub tick: u64,
    /// When it is down; afterwards it is in another boot.
    pub reboots: Vec<Span>,
    /// When its kubelet is away, while everything runs on.
    pub away: Vec<Span>,
    /// When something of the provider's is wrong with it and keeps its pods from being ready.
    pub unfit: Vec<Span>,
}

/// A pod with one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodScript {
    /// Its UID.
    pub uid: String,
    /// Its name, which a later pod may have too.
    pub name: String,
    /// The node that it is on.
    pub node: usize,
    /// When it was made.
    pub created: u64,
    /// When its sandboxes began, in order.
    pub sandboxes: Vec<u64>,
    /// The runs of its container, in order.
    pub runs: Vec<RunScript>,
    /// When it was told to end, if it is.
    pub told_to_end: Option<u64>,
    /// When the API forgot it.
    pub gone: u64,
    /// What it burns while it runs.
    pub cpu: Load,
    /// Its limit, thousandths of a CPU.
    pub cpu_limit: u64,
    /// Its memory limit.
    pub memory_limit: u64,
    /// Its working set.
    pub memory: u64,
    /// What it sends in a millisecond.
    pub tx: u64,
}

/// One run of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunScript {
    /// While it runs.
    pub span: Span,
    /// When it is ready for the first time.
    pub ready: u64,
    /// When its own probe fails, and that is the tenant's doing.
    pub flaps: Vec<Span>,
    /// When the API learns of its end.
    pub told: u64,
    /// When the API says that it ended: after a reboot, later than it did.
    pub said: u64,
}

/// One scrape of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// When.
    pub at: u64,
    /// The node.
    pub node: usize,
    /// What goes wrong.
    pub fault: Fault,
}

/// What goes wrong with a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It answers with this status.
    Status(u16),
    /// It never answers.
    Hang,
    /// It cuts the answer off.
    Cut,
    /// It answers something else.
    Garbage,
    /// It answers what was right so many milliseconds ago.
    Stale(u64),
    /// It leaves pods out: those whose bit is not set.
    Partial(u64),
}

impl Span {
    /// Whether a moment lies in it.
    pub fn holds(self, at: u64) -> bool {
        self.from <= at && at < self.to
    }

    /// What it shares with another, in milliseconds.
    pub fn shared(self, other: Self) -> u64 {
        self.to.min(other.to).saturating_sub(self.from.max(other.from))
    }
}

impl NodeScript {
    /// How often it had booted again by then, and since when it runs.
    pub fn boot(&self, at: u64) -> (usize, u64) {
        let mut past = self.reboots.iter().filter(|down| down.to <= at);
        (past.clone().count(), past.next_back().map_or(0, |down| down.to))
    }

    /// Whether it runs and its kubelet speaks.
    pub fn speaks(&self, at: u64) -> bool {
        !self.reboots.iter().chain(&self.away).any(|span| span.holds(at))
    }

    /// When the kubelet read its counters last, if it has since it booted.
    pub fn tick_before(&self, at: u64) -> Option<u64> {
        let tick = at / self.tick * self.tick;
        (tick >= self.boot(at).1).then_some(tick)
    }

    /// When the kubelet renewed its Lease last.
    pub fn heartbeat_before(&self, at: u64) -> u64 {
        let mut beat = at / HEARTBEAT * HEARTBEAT;
        while !self.speaks(beat) {
            beat -= HEARTBEAT;
        }
        beat
    }

    /// A moment on its own clock.
    pub fn clock(&self, at: u64) -> u64 {
        at.saturating_add_signed(self.skew)
    }
}

impl PodScript {
    /// CPU nanoseconds that it burnt in a stretch of time.
    pub fn burnt(&self, within: Span) -> u64 {
        let until = |at: u64| self.cpu.integral(at.saturating_sub(self.created));
        self.parts(within).map(|part| until(part.to) - until(part.from)).sum()
    }

    /// Bytes that it sent in a stretch of time.
    pub fn sent(&self, within: Span) -> u64 {
        self.parts(within).map(|part| self.tx * (part.to - part.from)).sum()
    }

    /// Milliseconds in which it was delivered, inside a stretch of time.
    pub fn delivered(&self, node: &NodeScript, within: Span) -> u64 {
        let ready = self
            .runs
            .iter()
            .map(|run| Span { from: run.ready.max(within.from), to: run.span.to.min(within.to) });
        ready
            .filter(|part| part.from < part.to)
            .map(|part| part.to - part.from - node.unfit.iter().map(|unfit| part.shared(*unfit)).sum::<u64>())
            .sum()
    }

    fn parts(&self, within: Span) -> impl Iterator<Item = Span> {
        self.runs
            .iter()
            .map(move |run| Span { from: run.span.from.max(within.from), to: run.span.to.min(within.to) })
            .filter(|part| part.from < part.to)
    }
}
