//! What a new reading of a counter is worth. The whole rule set is this one function.

use serde::{Deserialize, Serialize};

use crate::{Boot, Millis};

/// How far a reading may lie ahead of our clock.
const FUTURE_MILLIS: u64 = 5_000;

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It only set the point from which the next one counts.
    Baseline,
    /// It was worth this much.
    Credited(u64),
    /// It lies outside the term, or across its edge, and was not counted.
    OutsideTerm,
    /// It is not newer than the last one.
    NotNewer,
    /// It lies in the future and was ignored.
    Future,
    /// It cannot be true. Nothing was counted; raise an alarm.
    Quarantined(QuarantineReason),
    /// The pod is not, or no longer, part of the lease.
    UnknownPod,
}

/// Why a reading cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuarantineReason {
    /// A counter fell without restarting.
    WentBack,
    /// It grew faster than its limit allows.
    AboveLimit,
}

/// The last good reading of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) start: Millis,
    pub(crate) at: Millis,
    pub(crate) value: u64,
    /// The boot of the node that it was read in, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) boot: Option<Boot>,
}

/// For how long a counter counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// As long as the pod's control group, which outlives its sandboxes and goes with the node's boot.
    Pod,
    /// As long as the pod's sandbox, whose beginning the kubelet gives as the counter's start.
    Sandbox,
}

/// What is known of the beginning of a counter that was never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Birth {
    /// The earliest start at which it counts from nought: one that started before was running unseen, so that its
    /// first reading is only a baseline.
    pub(crate) from_zero: Millis,
    /// The newest moment at which the pod is known not to have run; none if nobody looked before it did.
    pub(crate) not_before: Option<Millis>,
}

/// The most that a counter can grow: a rate with five per cent for clocks, and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) per_milli: u64,
    pub(crate) burst: u64,
}

impl Bound {
    fn allows(&self, delta: u64, millis: u64) -> bool {
        let steady = u128::from(self.per_milli) * u128::from(millis) * 105 / 100;
        u128::from(delta) <= steady + u128::from(self.burst)
    }
}

/// What the reading `new` adds, given the last one, and whether it becomes the last one.
pub(crate) fn judge(
    last: Option<&Reading>,
    new: &Reading,
    lifetime: Lifetime,
    bound: Option<Bound>,
    birth: Birth,
    now: Millis,
) -> Result<Step, Verdict> {
    if new.at > now.plus(FUTURE_MILLIS) || new.start > new.at {
        return Err(Verdict::Future);
    }
    let (since, delta) = match last {
        None if new.start < birth.from_zero => return Ok(Step { since: new.at, delta: None }),
        None => match (lifetime, birth.not_before) {
            (Lifetime::Sandbox, _) => (new.start, new.value),
            // The start is that of the newest sandbox, and there may have been others before.
            (Lifetime::Pod, Some(not_before)) => (new.start.min(not_before), new.value),
            (Lifetime::Pod, None) => return Ok(Step { since: new.at, delta: None }),
        },
        Some(last) if new.at <= last.at => return Err(Verdict::NotNewer),
        Some(last) => growth(last, new, lifetime).map_err(Verdict::Quarantined)?,
    };
    if bound.is_some_and(|bound| !bound.allows(delta, new.at.since(since))) {
        return Err(Verdict::Quarantined(QuarantineReason::AboveLimit));
    }
    Ok(Step { since, delta: Some(delta) })
}

/// Since when a counter grew by how much from one reading to a newer one.
///
/// Times are the kubelet's, cut to whole seconds: a sandbox that begins in the second of the last reading is new.
fn growth(last: &Reading, new: &Reading, lifetime: Lifetime) -> Result<(Millis, u64), QuarantineReason> {
    let difference = new.value.checked_sub(last.value).map(|delta| (last.at, delta));
    let from_nought = match lifetime {
        Lifetime::Sandbox => (new.start.max(last.at), new.value),
        // Other sandboxes may have come and gone since.
        Lifetime::Pod => (last.at, new.value),
    };
    let is_other_boot = matches!((last.boot, new.boot), (Some(last), Some(new)) if last != new);
    let is_other_sandbox = new.start > last.start && new.start.0 >= last.at.0 / 1000 * 1000;
    match (lifetime, difference) {
        _ if is_other_boot => Ok(from_nought),
        (Lifetime::Sandbox, _) | (Lifetime::Pod, None) if is_other_sandbox => Ok(from_nought),
        // What a new sandbox found counted was credited before.
        (_, Some(difference)) if new.start >= last.start => Ok(difference),
        _ => Err(QuarantineReason::WentBack),
    }
}

/// A reading that holds: what was added since when; nothing for a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) since: Millis,
    pub(crate) delta: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(100_000);
    const LAST: Reading = Reading { start: Millis(10_000), at: Millis(50_000), value: 700, boot: None };
    const BIRTH: Birth = Birth { from_zero: Millis(5_000), not_before: Some(Millis(7_000)) };
    const BOUND: Option<Bound> = Some(Bound { per_milli: 1, burst: 20 });

    fn read(start: u64, at: u64, value: u64) -> Reading {
        Reading { start: Millis(start), at: Millis(at), value, boot: None }
    }

    fn step(since: u64, delta: u64) -> Result<Step, Verdict> {
        Ok(Step { since: Millis(since), delta: Some(delta) })
    }

    fn above() -> Result<Step, Verdict> {
        Err(Verdict::Quarantined(QuarantineReason::AboveLimit))
    }

    fn check(last: Option<Reading>, new: Reading) -> Result<Step, Verdict> {
        judge(last.as_ref(), &new, Lifetime::Sandbox, BOUND, BIRTH, NOW)
    }

    #[test]
    fn a_newer_reading_is_worth_the_difference() {
        assert_eq!(check(Some(LAST), read(10_000, 60_000, 950)), step(50_000, 250));
        assert_eq!(check(Some(LAST), read(10_000, 60_000, 700)), step(50_000, 0));
    }

    #[test]
    fn a_reading_that_is_not_newer_is_worth_nothing() {
        assert_eq!(check(Some(LAST), LAST), Err(Verdict::NotNewer));
        assert_eq!(check(Some(LAST), read(10_000, 49_999, 900)), Err(Verdict::NotNewer));
    }

    #[test]
    fn a_restarted_counter_counts_from_nought() {
        assert_eq!(check(Some(LAST), read(55_000, 60_000, 300)), step(55_000, 300));
    }

    #[test]
    fn the_counter_of_a_pod_outlives_its_sandbox_and_is_not_counted_twice() {
        let pod = |new| judge(Some(&LAST), &new, Lifetime::Pod, BOUND, BIRTH, NOW);
        assert_eq!(pod(read(55_000, 60_000, 710)), step(50_000, 10));
        // One that fell began anew, whatever its lifetime should have been.
        assert_eq!(pod(read(55_000, 60_000, 300)), step(50_000, 300));
        assert_eq!(pod(read(10_000, 60_000, 300)), Err(Verdict::Quarantined(QuarantineReason::WentBack)));
    }

    #[test]
    fn every_counter_begins_anew_with_the_node() {
        let in_boot = |reading, boot| Reading { boot: Some(Boot(boot)), ..reading };
        for lifetime in [Lifetime::Pod, Lifetime::Sandbox] {
            let judge = |new: Reading| judge(Some(&in_boot(LAST, 1)), &new, lifetime, BOUND, BIRTH, NOW);
            assert_eq!(judge(in_boot(read(10_000, 60_000, 300), 2)), step(50_000, 300));
            let since = if lifetime == Lifetime::Pod { 50_000 } else { 55_000 };
            assert_eq!(judge(in_boot(read(55_000, 60_000, 710), 2)), step(since, 710));
            assert_eq!(judge(in_boot(read(10_000, 60_000, 710), 1)), step(50_000, 10));
            assert_eq!(judge(read(10_000, 60_000, 710)), step(50_000, 10));
        }
    }

    #[test]
    fn a_sandbox_that_begins_in_the_second_of_the_last_reading_is_new() {
        let last = Reading { at: Millis(50_700), ..LAST };
        assert_eq!(check(Some(last), read(50_000, 60_000, 300)), step(50_700, 300));
    }

    #[test]
    fn a_start_that_goes_back_is_quarantined() {
        let back = Err(Verdict::Quarantined(QuarantineReason::WentBack));
        assert_eq!(check(Some(LAST), read(9_999, 60_000, 710)), back);
    }

    #[test]
    fn a_counter_that_falls_without_restarting_is_quarantined() {
        let back = Err(Verdict::Quarantined(QuarantineReason::WentBack));
        assert_eq!(check(Some(LAST), read(10_000, 60_000, 699)), back);
        assert_eq!(check(Some(LAST), read(20_000, 60_000, 699)), back);
    }

    #[test]
    fn growth_beyond_the_limit_is_quarantined() {
        assert_eq!(check(Some(LAST), read(10_000, 51_000, 700 + 1_050 + 20)), step(50_000, 1_070));
        assert_eq!(check(Some(LAST), read(10_000, 51_000, 700 + 1_050 + 21)), above());
        assert_eq!(check(Some(LAST), read(50_500, 51_000, 546)), above());
    }

    #[test]
    fn a_first_reading_counts_from_nought_only_if_its_start_was_seen() {
        assert_eq!(check(None, read(5_000, 6_000, 300)), step(5_000, 300));
        assert_eq!(check(None, read(4_999, 6_000, 300)), Ok(Step { since: Millis(6_000), delta: None }));
    }

    #[test]
    fn the_first_reading_of_a_pod_that_has_its_second_sandbox_is_measured_from_when_it_had_not_run() {
        let first = |new| judge(None, &new, Lifetime::Pod, BOUND, BIRTH, NOW);
        assert_eq!(first(read(9_000, 10_000, 3_000)), step(7_000, 3_000));
        assert_eq!(first(read(6_000, 10_000, 3_000)), step(6_000, 3_000));
        assert_eq!(check(None, read(9_000, 10_000, 1_071)), above());
        let baseline = Ok(Step { since: Millis(6_000), delta: None });
        assert_eq!(first(read(4_999, 6_000, 300)), baseline);
        let unseen = Birth { from_zero: Millis(0), not_before: None };
        assert_eq!(judge(None, &read(5_500, 6_000, 300), Lifetime::Pod, BOUND, unseen, NOW), baseline);
    }

    #[test]
    fn a_reading_from_the_future_is_ignored() {
        assert_eq!(check(Some(LAST), read(10_000, 105_001, 701)), Err(Verdict::Future));
        assert_eq!(check(Some(LAST), read(10_000, 105_000, 701)), step(50_000, 1));
        assert_eq!(check(None, read(70_000, 60_000, 1)), Err(Verdict::Future));
    }
}
