//! Events on the `ComputeLease` for people who look with `kubectl describe`.
//!
//! An Event that cannot be written is logged and forgotten: it must not hold up a lease.

use std::error::Error as StdError;

use crd::{ComputeLease, condition, reason};
use kube::{
    Resource,
    runtime::events::{Event, EventType, Recorder},
};

use super::{Error, validate::Refusal};
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
