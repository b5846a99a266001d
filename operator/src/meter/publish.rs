//! What of an account belongs into the status of its lease, and how it gets there.
//!
//! The meter owns `status.usage` and two conditions, as one server-side apply. The definition refuses a
//! publication that goes back or that changes one that was made, so a second meter can do no harm: its
//! write fails, and it goes on from what the first one published.

use crd::{
    ComputeLease, LeaseUsage,
    condition::{self, ConditionStatus, METERED, USAGE_FINAL},
    labels, reason,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    account::Account,
    sight::{Life, MeteredLease},
};

/// Whether usage is being counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// The term has not begun.
    NotStarted,
    /// All nodes of the lease have answered lately.
    Fresh,
    /// A node of the lease has not answered for three scrapes.
    Stale,
    /// The term is over.
    Ended,
}

/// The meter's part of one lease's status.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Publication {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) usage: Option<LeaseUsage>,
    pub(super) conditions: Vec<Condition>,
}

/// What became of a publication.
#[derive(Debug)]
pub(super) enum Published {
    /// The API server took it; here is the object as it is now.
    Taken(Box<ComputeLease>),
    /// There is no such lease any more.
    Gone,
    /// Another meter published since; this is what stands now.
    Superseded(Option<Box<ComputeLease>>),
}

/// A publication that could not be written. It will be tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The status could not be written.
    #[error("failed to publish the usage of {name}")]
    Patch {
        /// Name of the lease.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// After a refusal, what stands could not be read.
    #[error("failed to read {name} after its usage was refused")]
    Get {
        /// Name of the lease.
        name: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
}

/// The publication that a lease lacks; `None` when everything stands in the API already.
///
/// Before the term there is nothing to tell, and a lease on its way up costs no write of the meter.
pub(super) fn due(
    lease: &MeteredLease,
    account: &Account,
    freshness: Freshness,
    now: Timestamp,
) -> Option<Publication> {
    let is_untold = lease.conditions.is_empty() && freshness == Freshness::NotStarted;
    if !account.is_finished() && is_untold {
        return None;
    }
    let conditions = conditions(lease, account, freshness, now);
    (account.sequence() > lease.published || conditions != lease.conditions).then(|| Publication {
        name: lease.name.clone(),
        namespace: lease.namespace.clone(),
        uid: lease.uid.clone(),
        usage: account.published().cloned(),
        conditions,
    })
}

fn conditions(
    lease: &MeteredLease,
    account: &Account,
    freshness: Freshness,
    now: Timestamp,
) -> Vec<Condition> {
    let (metered, metered_reason) = match freshness {
        _ if account.is_finished() => (ConditionStatus::False, reason::TERM_ENDED),
        Freshness::NotStarted => (ConditionStatus::False, reason::TERM_NOT_STARTED),
        Freshness::Fresh => (ConditionStatus::True, reason::METERING),
        Freshness::Stale => (ConditionStatus::False, reason::SAMPLES_STALE),
        Freshness::Ended => (ConditionStatus::False, reason::TERM_ENDED),
    };
    let (is_final, final_reason, final_message) = match lease.life {
        _ if !account.is_finished() => (ConditionStatus::False, reason::LEASE_RUNNING, ""),
        Life::Abandoned => (
            ConditionStatus::True,
            reason::METER_SILENT,
            "the lease was ended without a last look: the last publication stands",
        ),
        Life::Counting | Life::Ending | Life::Final => {
            (ConditionStatus::True, reason::FINAL_USAGE_PUBLISHED, "")
        }
    };
    let mut conditions = lease.conditions.clone();
    for (type_, status, reason, message) in
        [(METERED, metered, metered_reason, ""), (USAGE_FINAL, is_final, final_reason, final_message)]
    {
        let says_so =
            |old: &Condition| old.status == status.as_str() && old.reason == reason && old.message == message;
        // A generation that only moved on is no news: the agent's settlements move it all the time.
        if !condition::find(&conditions, type_).is_some_and(says_so) {
            condition::set_condition(&mut conditions, type_, status, reason, message, lease.generation, now);
        }
    }
    conditions
}

/// Writes a publication.
pub(super) async fn publish(client: &Client, publication: &Publication) -> Result<Published, Error> {
    let Publication { name, namespace, uid, usage, conditions } = publication;
    let api = Api::<ComputeLease>::namespaced(client.clone(), namespace);
    let mut status = json!({ "conditions": conditions });
    if let Some(usage) = usage {
        status["usage"] = json!(usage);
    }
    let patch = json!({
        "apiVersion": ComputeLease::api_version(&()),
        "kind": ComputeLease::kind(&()),
        // The UID keeps the usage of one lease from a later object of its name.
        "metadata": { "name": name, "uid": uid },
        "status": status,
    });
    let params = PatchParams::apply(labels::METER_FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(&patch)).await {
        Ok(lease) => Ok(Published::Taken(Box::new(lease))),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Published::Gone),
        Err(kube::Error::Api(status)) if status.is_invalid() => {
            tracing::warn!(
                lease = name,
                message = status.message,
                "the usage was refused; looking what stands"
            );
            let found =
                api.get_opt(name).await.map_err(|source| Error::Get { name: name.clone(), source })?;
            Ok(Published::Superseded(found.map(Box::new)))
        }
        Err(source) => Err(Error::Patch { name: name.clone(), source }),
    }
}
