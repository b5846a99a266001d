//! For how long each container was delivered, from what the API server says about its runs.

use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::observation::{ContainerState, ContainerView, Run};

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
}

/// A run that is being delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivering {
    /// When the run started, which tells it from others.
    started_at: Millis,
    /// Since when it has been delivered.
    since: Millis,
}

impl ContainerRow {
    /// A container seen for the first time at a moment before which nothing can be known about it.
    pub(crate) fn seen_from(floor: Millis) -> Self {
        Self { credited_to: floor, delivering: None }
    }

    /// What was delivered since the last observation, and what to remember for the next.
    ///
    /// A run that was delivered when last seen and has ended since counts to its end. A run that came and went unseen,
    /// or that was not ready when last seen, counts for nothing.
    pub(crate) fn observe(&self, container: &ContainerView, now: Millis) -> (Self, Vec<Interval>) {
        let mut next = *self;
        let mut intervals = Vec::new();
        let mut credit = |from: Millis, to: Millis| {
            let (from, to) = (from.max(next.credited_to), to.min(now));
            if from < to {
                intervals.push(Interval { from, to });
                next.credited_to = to;
            }
        };
        let delivered =
            |run: &Run| self.delivering.filter(|delivering| delivering.started_at == run.started_at);
        if let Some((run, delivering)) = container.last_run.and_then(|run| Some((run, delivered(&run)?))) {
            credit(delivering.since, run.finished_at);
        }
        let delivering = match container.state {
            ContainerState::Running { started_at, ready_since: Some(ready_since) } => {
                let since = started_at.max(ready_since);
                credit(since, now);
                Some(Delivering { started_at, since })
            }
            ContainerState::Terminated(run) => {
                if let Some(delivering) = delivered(&run) {
                    credit(delivering.since, run.finished_at);
                }
                None
            }
            _ => None,
        };
        next.delivering = delivering;
        (next, intervals)
    }
}

/// Since when a container has been delivered without a break; none if it is not.
pub(crate) fn delivered_since(container: &ContainerView) -> Option<Millis> {
    match container.state {
        ContainerState::Running { started_at, ready_since } => Some(started_at.max(ready_since?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::ResourceLimits;

    fn container(state: ContainerState) -> ContainerView {
        ContainerView { name: "main".into(), limits: ResourceLimits::default(), state, last_run: None }
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
        let (row, first) = ContainerRow::default().observe(&view, Millis(20));
        let (row, again) = row.observe(&view, Millis(20));
        let (_, second) = row.observe(&view, Millis(35));
        assert_eq!((first, again, second), (interval(12, 20), vec![], interval(20, 35)));
    }

    #[test]
    fn a_container_that_is_waiting_or_not_ready_is_not_credited() {
        for state in [ContainerState::Waiting, running(10, None), ContainerState::Terminated(run(10, 15))] {
            let (row, intervals) = ContainerRow::default().observe(&container(state), Millis(20));
            assert_eq!((row, intervals), (ContainerRow::default(), vec![]));
        }
    }

    #[test]
    fn a_delivered_run_that_ended_counts_to_its_end() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(10))), Millis(20));
        let ended = container(ContainerState::Terminated(run(10, 27)));
        assert_eq!(row.observe(&ended, Millis(30)).1, interval(20, 27));
    }

    #[test]
    fn a_run_that_ended_right_after_it_was_ready_is_not_paid_for_its_start() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(20))), Millis(20));
        let ended = container(ContainerState::Terminated(run(10, 21)));
        assert_eq!(row.observe(&ended, Millis(30)).1, interval(20, 21));
    }

    #[test]
    fn a_restart_between_two_observations_leaves_its_gap_unpaid() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(10))), Millis(20));
        let restarted = ContainerView { last_run: Some(run(10, 25)), ..container(running(28, Some(29))) };
        let (row, intervals) = row.observe(&restarted, Millis(40));
        let expected = [interval(20, 25), interval(29, 40)].concat();
        let delivering = Delivering { started_at: Millis(28), since: Millis(29) };
        assert_eq!((intervals, row.delivering), (expected, Some(delivering)));
    }

    #[test]
    fn a_run_that_came_and_went_unseen_is_not_credited() {
        let (row, _) = ContainerRow::default().observe(&container(running(10, Some(10))), Millis(20));
        let restarted = ContainerView { last_run: Some(run(30, 35)), ..container(running(38, None)) };
        assert_eq!(row.observe(&restarted, Millis(40)).1, vec![]);
    }

    #[test]
    fn nothing_before_the_first_possible_sight_is_credited() {
        let (_, intervals) =
            ContainerRow::seen_from(Millis(15)).observe(&container(running(10, Some(10))), Millis(20));
        assert_eq!(intervals, interval(15, 20));
    }
}
