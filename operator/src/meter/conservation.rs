//! Whether what the pods of a node burnt adds up to what their common control group did. Pure.
//!
//! The kubelet counts the CPU time of each pod, and of the group that holds all pods, by different counters. Over an
//! hour both must be nearly the same: less in the pods' sum means that pods are missed, more that some are counted
//! twice. Nothing is billed by it; it is the meter's own proof, kept as a metric.

use std::collections::HashMap;

use super::kubelet::{PodStats, Summary};
use usage::Millis;

/// How long a window is at least.
const WINDOW_MILLIS: u64 = 3_600_000;
/// A node that burnt less than a core minute in a window says nothing: the counters are read seconds apart.
const LEAST_NANOSECONDS: u128 = 60_000_000_000;
/// The kubelet's name for the group of all pods.
const PODS: &str = "pods";
/// Ratios are in millionths.
pub(super) const WHOLE: u64 = 1_000_000;

/// The sums of all nodes.
#[derive(Debug, Default)]
pub(super) struct Conservation {
    nodes: HashMap<String, Node>,
}

/// The lowest and the highest ratio of any node's last window, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) lowest: u64,
    pub(super) highest: u64,
}

#[derive(Debug)]
struct Node {
    since: Millis,
    /// When it was read last.
    read_at: Millis,
    /// The group's counter then.
    group: u64,
    /// The pods' counters then, by UID.
    pods: HashMap<String, u64>,
    burnt_by_pods: u128,
    burnt_by_group: u128,
    /// Of the last window that said something.
    ratio: Option<u64>,
}

impl Conservation {
    /// Adds what a node told at a moment.
    pub(super) fn take(&mut self, node: &str, summary: &Summary, now: Millis) {
        let Some(group) = group_counter(summary) else { return };
        let ratio = match self.nodes.get_mut(node) {
            // A counter that fell belongs to another boot.
            Some(known) if group >= known.group && now >= known.read_at => {
                known.add(group, summary, now);
                return;
            }
            Some(known) => known.ratio,
            None => None,
        };
        self.nodes.insert(node.to_owned(), Node::begin(group, summary, now, ratio));
    }

    /// Forgets nodes that are not there any more.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.nodes.retain(|name, _| is_there(name));
    }

    /// What the last windows of all nodes say; none before the first that says something.
    pub(super) fn spread(&self) -> Option<Spread> {
        let ratios = || self.nodes.values().filter_map(|node| node.ratio);
        Some(Spread { lowest: ratios().min()?, highest: ratios().max()? })
    }
}

impl Node {
    fn begin(group: u64, summary: &Summary, now: Millis, ratio: Option<u64>) -> Self {
        let (burnt_by_pods, burnt_by_group) = (0, 0);
        let pods = counters(summary).map(|(pod, counter)| (pod.pod_ref.uid.clone(), counter)).collect();
        Self { since: now, read_at: now, group, pods, burnt_by_pods, burnt_by_group, ratio }
    }

    fn add(&mut self, group: u64, summary: &Summary, now: Millis) {
        self.burnt_by_group += u128::from(group - self.group);
        for (pod, counter) in counters(summary) {
            let burnt = match self.pods.get(&pod.pod_ref.uid) {
                // One that began since the last reading burnt all of its counter since then.
                None if pod.start_time.is_some_and(|start| super::millis(start) >= self.read_at) => counter,
                None => 0,
                Some(before) => counter.saturating_sub(*before),
            };
            self.burnt_by_pods += u128::from(burnt);
        }
        self.pods = counters(summary).map(|(pod, counter)| (pod.pod_ref.uid.clone(), counter)).collect();
        (self.group, self.read_at) = (group, now);
        if now.since(self.since) < WINDOW_MILLIS {
            return;
        }
        if self.burnt_by_group >= LEAST_NANOSECONDS {
            let ratio = self.burnt_by_pods.saturating_mul(WHOLE.into()) / self.burnt_by_group;
            self.ratio = Some(u64::try_from(ratio).unwrap_or(u64::MAX));
        }
        (self.since, self.burnt_by_pods, self.burnt_by_group) = (now, 0, 0);
    }
}

fn group_counter(summary: &Summary) -> Option<u64> {
    let group = summary.node.system_containers.iter().find(|container| container.name == PODS)?;
    group.cpu.as_ref()?.usage_core_nano_seconds
}

fn counters(summary: &Summary) -> impl Iterator<Item = (&PodStats, u64)> {
    summary.pods.iter().filter_map(|pod| Some((pod, pod.cpu.as_ref()?.usage_core_nano_seconds?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// What a node tells: its group's counter, and its pods with their start and counter. All in seconds.
    fn summary(group: u64, pods: &[(&str, i64, u64)]) -> Summary {
        let time = |second: i64| jiff::Timestamp::from_second(second).unwrap().to_string();
        let pods: Vec<_> = pods
            .iter()
            .map(|(uid, start, counter)| {
                json!({
                    "podRef": {"name": uid, "namespace": "any", "uid": uid},
                    "startTime": time(*start),
                    "cpu": {"time": time(*start), "usageCoreNanoSeconds": counter * SECOND},
                })
            })
            .collect();
        let container = |name: &str, counter: u64| {
            json!({
                "name": name,
                "cpu": {"time": time(0), "usageCoreNanoSeconds": counter * SECOND},
            })
        };
        let containers = [container("kubelet", 999_999), container("pods", group)];
        serde_json::from_value(json!({"node": {"systemContainers": containers}, "pods": pods})).unwrap()
    }

    fn at(second: u64) -> Millis {
        Millis(second * 1000)
    }

    fn both(ratio: u64) -> Option<Spread> {
        Some(Spread { lowest: ratio, highest: ratio })
    }

    #[test]
    fn pods_that_add_up_to_their_group_are_whole_and_nothing_is_said_before_an_hour() {
        let mut sums = Conservation::default();
        sums.take("a", &summary(1_000, &[("old", 0, 500)]), at(100));
        sums.take("a", &summary(1_300, &[("old", 0, 600), ("new", 150, 200)]), at(200));
        assert_eq!(sums.spread(), None);
        sums.take("a", &summary(1_400, &[("old", 0, 700)]), at(3_700));
        assert_eq!(sums.spread(), both(WHOLE));
    }

    #[test]
    fn a_pod_that_is_not_counted_shows_as_less_and_one_that_is_counted_twice_as_more() {
        let mut sums = Conservation::default();
        for (node, counted) in [("missed", 900), ("twice", 1_200)] {
            sums.take(node, &summary(0, &[("pod", 0, 0)]), at(0));
            sums.take(node, &summary(1_000, &[("pod", 0, counted)]), at(3_600));
        }
        assert_eq!(sums.spread(), Some(Spread { lowest: 900_000, highest: 1_200_000 }));
        sums.retain(|node| node == "twice");
        assert_eq!(sums.spread(), both(1_200_000));
    }

    #[test]
    fn what_was_burnt_before_the_meter_looked_is_in_neither_sum() {
        let mut sums = Conservation::default();
        sums.take("a", &summary(5_000, &[]), at(1_000));
        // Started long before, and shown only now: the meter cannot know how much of it is new.
        sums.take("a", &summary(5_100, &[("shown late", 10, 4_000)]), at(1_030));
        sums.take("a", &summary(5_200, &[("shown late", 10, 4_100)]), at(4_600));
        assert_eq!(sums.spread(), both(WHOLE / 2));
    }

    #[test]
    fn a_reboot_begins_a_new_window_and_an_idle_hour_leaves_the_last_word() {
        let mut sums = Conservation::default();
        sums.take("a", &summary(0, &[("pod", 0, 0)]), at(0));
        sums.take("a", &summary(100, &[("pod", 0, 99)]), at(3_600));
        assert_eq!(sums.spread(), both(990_000));
        sums.take("a", &summary(3, &[("pod", 3_700, 3)]), at(3_800));
        sums.take("a", &summary(10, &[("pod", 3_700, 3)]), at(7_500));
        assert_eq!(sums.spread(), both(990_000));
    }

    #[test]
    fn a_kubelet_that_tells_of_no_group_is_not_judged() {
        let mut sums = Conservation::default();
        for second in [0, 4_000] {
            for containers in [json!([]), json!([{}, {"name": "pods"}, {"name": "pods", "cpu": {}}])] {
                let told = json!({"node": {"systemContainers": containers}, "pods": []});
                sums.take("a", &serde_json::from_value(told).unwrap(), at(second));
            }
            sums.take("a", &serde_json::from_value(json!({"node": {}})).unwrap(), at(second));
        }
        assert_eq!(sums.spread(), None);
    }
}
