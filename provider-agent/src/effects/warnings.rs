//! Warnings for people: the log, and an Event on the `ComputeLease` for who looks with `kubectl describe`.

use crd::ComputeLease;
use k8s_openapi::jiff::Timestamp as Time;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use market::{LeaseId, Timestamp};

use super::Shared;

/// Reason of the Event.
const FUNDS_RUN_OUT: &str = "FundsRunOut";

impl Shared {
    /// An Event that cannot be written is logged and forgotten: the metric stays.
    pub(super) async fn warn_of_funds(
        &self,
        lease: LeaseId,
        until: Timestamp,
        object: Option<&ComputeLease>,
    ) {
        // Beyond the year 9999 nothing is funded; the number then says so itself.
        let until = i64::try_from(until.0).ok().and_then(|seconds| Time::from_second(seconds).ok());
        let until = until.map_or_else(|| "the end of time".to_owned(), |until| until.to_string());
        tracing::warn!(%lease, until, "the money of a lease runs out before its end");
        let Some(object) = object else { return };
        let reporter = Reporter { controller: crd::labels::AGENT_FIELD_MANAGER.into(), instance: None };
        let note = format!(
            "at its full rate the lease's money lasts until {until}; then it ends. Its tenant can top it up"
        );
        let event = Event {
            type_: EventType::Warning,
            reason: FUNDS_RUN_OUT.into(),
            note: Some(note),
            action: "Settle".into(),
            secondary: None,
        };
        let published =
            Recorder::new(self.kubernetes.clone(), reporter).publish(&event, &object.object_ref(&())).await;
        if let Err(error) = published {
            tracing::warn!(%lease, error = &error as &dyn std::error::Error, "failed to write an Event");
        }
    }
}
