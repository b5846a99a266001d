//! Conditions: their types, and how a new one replaces an old one.
//!
//! The time is passed in, so that a status is computed purely.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

/// Condition type: the spec and the manifest were validated.
pub const ACCEPTED: &str = "Accepted";
/// Condition type: every object of the lease was applied.
pub const PROVISIONED: &str = "Provisioned";
/// Condition type: all workloads of the lease run.
pub const READY: &str = "Ready";
/// Condition type: the newest manifest runs. It is set once there has been an update.
pub const UPDATED: &str = "Updated";
/// Condition type: nothing of an ended lease is left in the cluster.
pub const CLEANED: &str = "Cleaned";
/// Condition type: removing the lease's objects takes too long, and somebody must look.
pub const STUCK: &str = "Stuck";
/// Condition type: every public host leads to its service. Absent from a lease without public ports.
pub const EXPOSED: &str = "Exposed";
/// Condition type, the meter's: usage is counted from fresh samples.
pub const METERED: &str = "Metered";
/// Condition type, the meter's: the published usage is the last one.
pub const USAGE_FINAL: &str = "UsageFinal";
/// Condition type: the operator saw the last usage before it deleted what that was counted from.
pub const USAGE_COLLECTED: &str = "UsageCollected";

/// The types that the meter writes; the operator writes all others.
pub const OF_METER: [&str; 2] = [METERED, USAGE_FINAL];

/// Value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// The statement of the condition's type holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl ConditionStatus {
    /// The text in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Puts a condition into a list: the transition time of an unchanged value is kept, the order of types too.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: &'static str,
    status: ConditionStatus,
    reason: &str,
    message: &str,
    observed_generation: Option<i64>,
    now: Timestamp,
) {
    let old = conditions.iter_mut().find(|c| c.type_ == type_);
    let last_transition_time = match &old {
        Some(old) if old.status == status.as_str() => old.last_transition_time.clone(),
        _ => Time(now),
    };
    let new = Condition {
        type_: type_.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation,
        last_transition_time,
    };
    match old {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Whether the condition of a type is there and `True`.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|c| c.status == ConditionStatus::True.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_with_the_value() {
        let mut conditions = Vec::new();
        set_condition(&mut conditions, READY, ConditionStatus::False, "A", "a", Some(1), at(10));
        set_condition(&mut conditions, READY, ConditionStatus::False, "B", "b", Some(2), at(20));
        assert_eq!(conditions[0].last_transition_time, Time(at(10)));
        assert_eq!((conditions[0].reason.as_str(), conditions[0].observed_generation), ("B", Some(2)));
        set_condition(&mut conditions, READY, ConditionStatus::True, "C", "c", Some(2), at(30));
        assert_eq!(conditions[0].last_transition_time, Time(at(30)));
        assert_eq!(conditions.len(), 1);
        assert!(is_true(&conditions, READY));
        assert!(!is_true(&conditions, METERED));
    }
}
