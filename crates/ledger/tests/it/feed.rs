//! A meter's life, the same every time: what it sees, and what it writes of it.

use alloy_primitives::B256;
use ledger::{Batch, Entry, Kept, Published, Store};
use market::Timestamp;
use serde::{Deserialize, Serialize};
use usage::{
    Book, ContainerState, ContainerView, Counter, LeaseView, Ledger, Millis, NodeView, PodView,
    ResourceLimits, Sample, Term, Trouble,
};

/// When the story begins: an hour on the clock.
pub(crate) const START: u64 = 1_699_999_200;
/// Turns of the meter.
pub(crate) const TURNS: u64 = 60;

/// What is kept of a lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) book: Book,
    pub(crate) sequence: u64,
    published_to: u64,
}

impl Account {
    pub(crate) fn new() -> Self {
        let mut book = Book::of(Ledger::new());
        book.set_term(Term { started_at: Timestamp(START), ends_at: None });
        Self { book, sequence: 0, published_to: 0 }
    }

    /// As a version kept it that wrote down no lives.
    pub(crate) fn without_lives(&self) -> anyhow::Result<Self> {
        let mut state = serde_json::to_value(self)?;
        let rollups = state.pointer_mut("/book/rollups").and_then(|rollups| rollups.as_object_mut());
        anyhow::ensure!(
            rollups.is_some_and(|rollups| rollups.remove("lives").is_some()),
            "no lives are kept"
        );
        Ok(serde_json::from_value(state)?)
    }

    pub(crate) fn of(kept: &Kept) -> anyhow::Result<Self> {
        Ok(serde_json::from_slice(&kept.state)?)
    }
}

pub(crate) fn leases() -> [B256; 3] {
    [1, 2, 3].map(B256::repeat_byte)
}

/// The second of a turn.
pub(crate) fn second(turn: u64) -> u64 {
    START + turn * 166
}

/// Counts one turn of a lease; returns what has to be written.
pub(crate) fn turn(account: &mut Account, lease: B256, turn: u64) -> anyhow::Result<Entry> {
    let now = Millis::from_seconds(second(turn));
    let since = Millis::from_seconds(START);
    let state = ContainerState::Running { started_at: since, ready_since: Some(since) };
    let limits = ResourceLimits { cpu_milli: 1500, memory_bytes: 1 << 28, gpu_milli: 0, device_milli: 0 };
    let pod = |uid: &str, state| PodView {
        uid: uid.into(),
        service: "web".into(),
        containers: vec![ContainerView { name: "main".into(), limits, state, last_run: None }],
        overhead: ResourceLimits::default(),
        node: NodeView { alive_until: now, boot: None },
        trouble: Trouble::None,
    };
    // One pod stays; the other comes and goes.
    let mut look = |at, pods| account.book.observe(lease, at, &LeaseView { pods, ..LeaseView::default() });
    match turn % 7 {
        0 => {
            // At a moment of its own: of one moment there is one truth, however often it is looked at.
            let before = Millis::from_seconds(second(turn) - 1);
            look(before, vec![pod("a", state), pod("b", ContainerState::Waiting)]);
            look(now, vec![pod("a", state), pod("b", state)]);
        }
        1..4 => look(now, vec![pod("a", state), pod("b", state)]),
        _ => look(now, vec![pod("a", state)]),
    }
    for (uid, counter) in
        [("a", Counter::NetworkTxBytes), ("a", Counter::CpuNanoseconds), ("b", Counter::NetworkRxBytes)]
    {
        let value = turn * turn * (1 + u64::from(lease[0]));
        account.book.sample(now, &Sample { pod_uid: uid.into(), counter, start: since, at: now, value });
    }
    let as_of = account.book.as_of().0;
    let is_due = as_of > account.published_to;
    if is_due {
        account.published_to = as_of;
        account.sequence += 1;
    }
    let cut = account.book.cut().filter(|_| is_due);
    let published = cut.map(|cut| Published { sequence: account.sequence, at: now.timestamp().0, cut });
    let published = published.into_iter().collect();
    let closed = account.book.take_closed();
    Ok(Entry { lease, state: serde_json::to_vec(account)?, rewind: None, closed, published, signed: None })
}

/// Goes on from what is kept and sees the whole story again; tells of every step.
pub(crate) async fn run(store: &dyn Store, mut step: impl FnMut()) -> anyhow::Result<()> {
    let kept = store.kept().await?;
    let mut accounts: Vec<(B256, Account)> = Vec::new();
    for lease in leases() {
        let known = kept.iter().find(|kept| kept.lease == lease);
        accounts.push((lease, known.map_or_else(|| Ok(Account::new()), Account::of)?));
    }
    for number in 0..TURNS {
        let mut batch = Batch { at: second(number), entries: Vec::new() };
        for (lease, account) in &mut accounts {
            batch.entries.push(turn(account, *lease, number)?);
            step();
        }
        store.commit(&batch).await?;
        step();
    }
    Ok(())
}
