//! Events on the `ComputeLease` for people who look with `kubectl describe`.
//!
//! An Event that cannot be written is logged and forgotten: it must not hold up a lease.

use std::{error::Error as StdError, time::Duration};

use crd::{ComputeLease, ComputeLeaseStatus, condition, reason};
use jiff::Timestamp;
use kube::{
    Resource,
    runtime::events::{Event, EventType, Recorder},
};

use super::{
    Error,
    contest::Contest,
    diagnosis::text::{self, Hidden},
    memory::Memory,
    validate::Refusal,
};
use crate::metrics::Metrics;

/// Tells once that a lease was refused, when the reason is a new one.
pub async fn refused(recorder: &Recorder, metrics: &Metrics, lease: &ComputeLease, refusal: &Refusal) {
    let known = condition::find(lease.conditions(), condition::ACCEPTED).map(|c| c.reason.as_str());
    if known == Some(refusal.reason()) || refusal.reason() == reason::AWAITING_MANIFEST {
        return;
    }
    metrics.refused(refusal.reason());
    publish(recorder, lease, refusal.reason(), "Validate", refusal.to_string()).await;
}

/// Tells that a step failed and will be tried again.
pub async fn failed(recorder: &Recorder, lease: &ComputeLease, error: &Error) {
    publish(recorder, lease, error.category(), "Reconcile", chain(error)).await;
}

/// Something that changed for the worse, as the difference of two statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about, so that two services with one reason are two things.
    pub subject: String,
    /// Reason of the Event.
    pub reason: String,
    /// Text for people.
    pub note: String,
}

/// What a new status tells that the old one did not. A change of the text alone is no news: it changes with each restart.
pub fn notices(old: &ComputeLeaseStatus, new: &ComputeLeaseStatus) -> Vec<Notice> {
    let known = |service: &str| {
        let before = old.services.iter().find(|before| before.name == service);
        before.and_then(|before| before.trouble.as_ref()).map(|trouble| trouble.reason.as_str())
    };
    let troubles = new.services.iter().filter_map(|service| {
        let trouble =
            service.trouble.as_ref().filter(|trouble| known(&service.name) != Some(&trouble.reason))?;
        Some(Notice {
            subject: service.name.clone(),
            reason: trouble.reason.clone(),
            note: format!("{} ({}): {}", service.name, trouble.who, trouble.message),
        })
    });
    let turned = TOLD.iter().filter_map(|(type_, reason)| {
        let holds = |status: &ComputeLeaseStatus| {
            let found = condition::find(&status.conditions, type_);
            found.filter(|found| found.reason == *reason).map(|found| found.message.clone())
        };
        let note = holds(new).filter(|_| holds(old).is_none())?;
        Some(Notice { subject: (*type_).to_owned(), reason: (*reason).to_owned(), note })
    });
    troubles.chain(turned).collect()
}

/// Conditions whose turning to a reason is told.
const TOLD: [(&str, &str); 6] = [
    (condition::READY, reason::SUSPENDED_UNSIGNED),
    (condition::USAGE_COLLECTED, reason::METER_SILENT),
    (condition::UPDATED, reason::ROLLED_BACK),
    (condition::UPDATED, reason::CANNOT_ROLL_BACK),
    (condition::STUCK, reason::OBJECTS_REMAIN),
    (condition::STUCK, reason::VOLUMES_REMAIN),
];

/// Tells what changed for the worse. A lease that comes and goes is told about now and then, not each time.
pub async fn changed(
    recorder: &Recorder,
    memory: &Memory,
    lease: &ComputeLease,
    notices: Vec<Notice>,
    now: Timestamp,
) {
    for notice in notices {
        if memory.is_news(lease, &notice.subject, &notice.reason, now) {
            publish(recorder, lease, &notice.reason, "Observe", notice.note).await;
        }
    }
}

/// Tells that a deleted lease goes without a last look at its use; its status would not tell any more.
pub async fn meter_silent(recorder: &Recorder, lease: &ComputeLease, waited: Duration) {
    let note = format!(
        "the meter did not publish the last usage within {} seconds; its last publication stands",
        waited.as_secs()
    );
    publish(recorder, lease, reason::METER_SILENT, "End", note).await;
}

/// Tells which objects somebody changes again and again, and who.
pub async fn contested(
    recorder: &Recorder,
    memory: &Memory,
    lease: &ComputeLease,
    contests: &[Contest],
    now: Timestamp,
) {
    for Contest { kind, name, repairs, by, wait } in contests {
        if memory.is_news(lease, &format!("{kind} {name}"), reason::OBJECT_CONTESTED, now) {
            let by = match by {
                Some(by) => format!("somebody, last {}, changes", text::line(by, &Hidden::default(), 128)),
                None => "somebody deletes or changes".to_owned(),
            };
            let note = format!(
                "{by} {kind} {name} again and again: it was put back {repairs} times, and will be again in {} s",
                wait.as_secs().max(1)
            );
            publish(recorder, lease, reason::OBJECT_CONTESTED, "Repair", note).await;
        }
    }
}

async fn publish(recorder: &Recorder, lease: &ComputeLease, reason: &str, action: &str, note: String) {
    let event = Event {
        type_: EventType::Warning,
        reason: reason.to_owned(),
        note: Some(note.chars().take(1000).collect()),
        action: action.to_owned(),
        secondary: None,
    };
    if let Err(error) = recorder.publish(&event, &lease.object_ref(&())).await {
        tracing::warn!(
            lease = lease.metadata.name,
            error = &error as &dyn StdError,
            "failed to publish an event"
        );
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
