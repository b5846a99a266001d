//! For how long each container was delivered, from what the API server says about its runs.

use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::lives::{Began, Ended};
use crate::observation::{ContainerState, ContainerView, Run, Trouble};

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) from: Millis,
    pub(crate) to: Millis,
}

impl Interval {
    /// Its length.
    pub(crate) fn millis(self) -> u64 {
        self.to.since(self.from)
    }
}

/// What is remembered of a container between two observations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContainerRow {
    /// The moment up to which it was credited; nothing before it is credited again.
    pub(crate) credited_to: Millis,
    /// The run that was being delivered when it was last seen.
    pub(crate) delivering: Option<Delivering>,
    /// The start of a run that its node took along, which the API may show as running for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost_run: Option<Millis>,
}

/// A run that is being delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivering {
    /// When the run started, which tells it from others.
    started_at: Millis,
    /// Since when it has been delivered.
    since: Millis,
    /// Since when it was shown as ready when it was last seen; none if it was unready by its own doing, so that getting
    /// ready again begins nothing new.
    #[serde(default)]
    ready_since: Option<Millis>,
}

impl ContainerRow {
    /// A container seen for the first time at a moment before which nothing can be known about it.
    pub(crate) fn seen_from(floor: Millis) -> Self {
        Self { credited_to: floor, ..Self::default() }
    }

    /// What was delivered since the last observation, and what to remember for the next.
    ///
    /// A run that was delivered when last seen and has ended since counts to its end. A run that came and went unseen,
    /// or that was not ready when last seen, counts for nothing. A run that was ready and is not any more counts on,
    /// unless that is the provider's doing: its tenant holds what it runs on.
    pub(crate) fn observe(&self, container: &ContainerView, host: &Host) -> (Self, Vec<Interval>) {
        let mut next = *self;
        let mut intervals = Vec::new();
        let mut credit = |from: Millis, to: Millis| {
            let (from, to) = (from.max(next.credited_to), to.min(host.now));
            if from < to {
                intervals.push(Interval { from, to });
                next.credited_to = to;
            }
        };
        let delivered =
            |run: &Run| self.delivering.filter(|delivering| delivering.started_at == run.started_at);
        // A node that went down says of what it ran that it ended when the node came back.
        let doubts = [host.rebooted_after, host.unproven_after];
        let ended = |run: Run| doubts.into_iter().flatten().fold(run.finished_at, Millis::min);
        if let Some((run, delivering)) = container.last_run.and_then(|run| Some((run, delivered(&run)?))) {
            credit(delivering.since, ended(run));
        }
        next.delivering = match container.state {
            ContainerState::Running { started_at, ready_since } => {
                let known = self.delivering.filter(|known| known.started_at == started_at);
                let since = match (ready_since, known, host.trouble) {
                    _ if self.lost_run == Some(started_at) => None,
                    (_, Some(known), _) if host.rebooted_after.is_some() => {
                        credit(known.since, ended(Run { started_at, finished_at: host.now }));
                        next.lost_run = Some(started_at);
                        None
                    }
                    (Some(ready_since), Some(known), _)
                        if known.ready_since.is_none_or(|before| before == ready_since) =>
                    {
                        Some(known.since)
                    }
                    (Some(ready_since), ..) => Some(started_at.max(ready_since)),
                    (None, Some(known), Trouble::None) => Some(known.since),
                    (None, ..) => None,
                };
                since.map(|since| {
                    credit(since, host.alive_until);
                    Delivering { started_at, since, ready_since }
                })
            }
            ContainerState::Terminated(run) => {
                if let Some(delivering) = delivered(&run) {
                    credit(delivering.since, ended(run));
                }
                None
            }
            ContainerState::Waiting => None,
        };
        (next, intervals)
    }

    /// Why delivery began, where a stretch of it begins; none if it only goes on there. Nothing is known of the time
    /// before the floor.
    pub(crate) fn began(&self, from: Millis, floor: Millis) -> Option<Began> {
        let Delivering { started_at, since, .. } = self.delivering.filter(|now| now.since <= from)?;
        match from {
            _ if from == since && since == started_at => Some(Began::Started),
            _ if from == since => Some(Began::Ready),
            _ if from == floor => Some(Began::Seen),
            _ => None,
        }
    }

    /// Why what was delivered when it was last seen is not any more, given what is remembered after this look; none if
    /// nothing was, or it goes on.
    pub(crate) fn ended(&self, next: &Self, container: &ContainerView, host: &Host) -> Option<Ended> {
        let was = self.delivering?;
        let goes_on = |now: Delivering| (now.started_at, now.since) == (was.started_at, was.since);
        if next.delivering.is_some_and(goes_on) {
            return None;
        }
        let (run, is_running) = match container.state {
            ContainerState::Terminated(run) => (Some(run), false),
            ContainerState::Running { started_at, .. } => (None, started_at == was.started_at),
            ContainerState::Waiting => (None, false),
        };
        let run = run.into_iter().chain(container.last_run).find(|run| run.started_at == was.started_at);
        let is_past =
            |doubt: Option<Millis>| doubt.is_some_and(|last| run.is_none_or(|run| last < run.finished_at));
        Some(match host.trouble {
            _ if is_past(host.rebooted_after) => Ended::Rebooted,
            _ if is_past(host.unproven_after) => Ended::Doubt,
            _ if run.is_some() => Ended::Finished,
            Trouble::Provider if is_running => Ended::Trouble,
            Trouble::None if is_running => Ended::Unready,
            _ => Ended::Lost,
        })
    }

    /// Since when it has been delivered without a break; none if it is not.
    pub(crate) fn delivered_since(&self) -> Option<Millis> {
        self.delivering.map(|delivering| delivering.since)
    }
}

/// The circumstances of a look at a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// When it was looked.
    pub(crate) now: Millis,
    /// Up to when the node is known to have lived.
    pub(crate) alive_until: Millis,
    /// Whose fault it is if the container is not ready.
    pub(crate) trouble: Trouble,
    /// If the node has booted since the last look: up to when it was known to live before.
    pub(crate) rebooted_after: Option<Millis>,
    /// If the pod was found running or its node booted, and that is not long ago: up to when it was known to live before.
    pub(crate) unproven_after: Option<Millis>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::ResourceLimits;

    fn container(state: ContainerState) -> ContainerView {
        ContainerView { name: "main".into(), limits: ResourceLimits::default(), state, last_run: None }
    }

    fn at(now: u64) -> Host {
        let now = Millis(now);
        Host { now, alive_until: now, trouble: Trouble::None, rebooted_after: None, unproven_after: None }
    }

    fn running(started: u64, ready: Option<u64>) -> ContainerState {
        ContainerState::Running { started_at: Millis(started), ready_since: ready.map(Millis) }
    }

    fn run(from: u64, to: u64) -> Run {
        Run { started_at: Millis(from), finished_at: Millis(to) }
    }

    fn interval(from: u64, to: u64) -> Vec<Interval> {
        vec![Interval { from: Millis(from), to: Millis(to) }]
    }

    #[test]
    fn a_running_and_ready_container_is_credited_once_for_every_moment() {
        let view = container(running(10, Some(12)));
        let (row, first) = ContainerRow::default().observe(&view, &at(20));
        let (row, again) = row.observe(&view, &at(20));
        let (_, second) = row.observe(&view, &at(35));
        assert_eq!((first, again, second), (interval(12, 20), vec![], interval(20, 35)));
    }

    #[test]
    fn a_container_that_is_waiting_or_not_ready_is_not_credited() {
        for state in [ContainerState::Waiting, running(10, None), ContainerState::Terminated(run(10, 15))] {
            let (row, intervals) = ContainerRow::default().observe(&container(state), &at(20));
            assert_eq!((row, intervals), (ContainerRow::default(), vec![]));
        }
    }

    #[test]
    fn a_delivered_run_that_ended_counts_to_its_end() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(10))), &at(20));
        let ended = container(ContainerState::Terminated(run(10, 27)));
        assert_eq!(row.observe(&ended, &at(30)).1, interval(20, 27));
    }

    #[test]
    fn a_run_that_ended_right_after_it_was_ready_is_not_paid_for_its_start() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(20))), &at(20));
        let ended = container(ContainerState::Terminated(run(10, 21)));
        assert_eq!(row.observe(&ended, &at(30)).1, interval(20, 21));
    }

    #[test]
    fn a_restart_between_two_observations_leaves_its_gap_unpaid() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(10))), &at(20));
        let restarted = ContainerView { last_run: Some(run(10, 25)), ..container(running(28, Some(29))) };
        let (row, intervals) = row.observe(&restarted, &at(40));
        let expected = [interval(20, 25), interval(29, 40)].concat();
        let delivering =
            Delivering { started_at: Millis(28), since: Millis(29), ready_since: Some(Millis(29)) };
        assert_eq!((intervals, row.delivering), (expected, Some(delivering)));
    }

    #[test]
    fn a_run_that_came_and_went_unseen_is_not_credited() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(10))), &at(20));
        let restarted = ContainerView { last_run: Some(run(30, 35)), ..container(running(38, None)) };
        assert_eq!(row.observe(&restarted, &at(40)).1, vec![]);
    }

    #[test]
    fn nothing_before_the_first_possible_sight_is_credited() {
        let (_, intervals) =
            ContainerRow::seen_from(Millis(15)).observe(&container(running(10, Some(10))), &at(20));
        assert_eq!(intervals, interval(15, 20));
    }

    #[test]
    fn a_lost_node_is_paid_for_until_it_was_last_known_to_live() {
        let view = container(running(10, Some(10)));
        let lost = |now| Host { alive_until: Millis(25), ..at(now) };
        let (row, seen) = ContainerRow::default().observe(&view, &at(20));
        let (row, silent) = row.observe(&view, &lost(40));
        assert_eq!((seen, silent), (interval(10, 20), interval(20, 25)));
        let unready = Host { trouble: Trouble::Provider, ..lost(60) };
        let (row, gone) = row.observe(&container(running(10, None)), &unready);
        assert_eq!((gone, row.delivering), (vec![], None));
    }

    #[test]
    fn a_node_that_was_only_silent_is_paid_for_in_full() {
        let view = container(running(10, Some(10)));
        let (row, _) = ContainerRow::default().observe(&view, &Host { alive_until: Millis(25), ..at(40) });
        assert_eq!(row.observe(&view, &at(70)).1, interval(25, 70));
    }

    #[test]
    fn a_probe_that_fails_by_itself_frees_nobody_from_paying_and_one_that_we_fail_does() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(12))), &at(20));
        let failing = container(running(10, None));
        let (ours, paid) = row.observe(&failing, &at(30));
        assert_eq!((paid, ours.delivered_since()), (interval(20, 30), Some(Millis(12))));
        let (theirs, paid) = row.observe(&failing, &Host { trouble: Trouble::Provider, ..at(30) });
        assert_eq!((paid, theirs.delivered_since()), (vec![], None));
        let again = container(running(10, Some(36)));
        let (again, paid) = ours.observe(&again, &at(40));
        assert_eq!((paid, again.delivered_since()), (interval(30, 40), Some(Millis(12))));
        // The next run is paid for from when it is ready, as the first was.
        let restarted = ContainerView { last_run: Some(run(10, 33)), ..container(running(35, None)) };
        assert_eq!(ours.observe(&restarted, &at(40)).1, interval(30, 33));
    }

    #[test]
    fn a_run_that_a_reboot_ended_is_paid_for_until_the_node_was_last_known_to_live() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(10))), &at(20));
        let rebooted = Host { rebooted_after: Some(Millis(22)), ..at(50) };
        let found = ContainerView { last_run: Some(run(10, 45)), ..container(running(46, None)) };
        let stale = container(running(10, Some(10)));
        let ended = container(ContainerState::Terminated(run(10, 45)));
        for view in [found, stale, ended] {
            let (row, paid) = row.observe(&view, &rebooted);
            assert_eq!((paid, row.delivered_since()), (interval(20, 22), None), "{view:?}");
            assert_eq!(row.observe(&view, &at(60)).1, vec![], "{view:?}");
        }
    }
}
