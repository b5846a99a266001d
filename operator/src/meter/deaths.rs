//! Last looks at pods that were told to end: one at once, one just before they are killed. Pure.
//!
//! A counter goes with its pod, so what a pod used after the last scrape is lost; these looks make that short.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

/// How long before the end of its grace a pod is looked at a last time. A scrape takes less.
const BEFORE_THE_END: SignedDuration = SignedDuration::from_secs(2);

/// Nodes to ask out of turn.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    due: BTreeMap<Timestamp, BTreeSet<String>>,
}

impl Deaths {
    /// A pod of this node was told to end by itself until `ends_by`.
    pub(super) fn announce(&mut self, node: &str, now: Timestamp, ends_by: Timestamp) {
        let last = ends_by.saturating_sub(BEFORE_THE_END).unwrap_or(now);
        for moment in [now, last.max(now)] {
            self.due.entry(moment).or_default().insert(node.to_owned());
        }
    }

    /// When the next look is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.keys().next().copied()
    }

    /// The nodes whose look is due.
    pub(super) fn take_due(&mut self, now: Timestamp) -> BTreeSet<String> {
        let mut nodes = BTreeSet::new();
        while let Some(look) = self.due.first_entry().filter(|look| *look.key() <= now) {
            nodes.extend(look.remove());
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn set<const N: usize>(nodes: [&str; N]) -> BTreeSet<String> {
        nodes.map(str::to_owned).into()
    }

    #[test]
    fn a_node_is_asked_at_once_and_just_before_the_grace_of_its_pod_ends() {
        let mut deaths = Deaths::default();
        assert_eq!((deaths.next(), deaths.take_due(at(100))), (None, set([])));
        deaths.announce("a", at(100), at(130));
        deaths.announce("b", at(100), at(101));
        assert_eq!((deaths.next(), deaths.take_due(at(100))), (Some(at(100)), set(["a", "b"])));
        assert_eq!((deaths.next(), deaths.take_due(at(127))), (Some(at(128)), set([])));
        assert_eq!((deaths.take_due(at(200)), deaths.next()), (set(["a"]), None));
    }
}
