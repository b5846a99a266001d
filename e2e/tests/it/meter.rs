//! The meter as a process of its own, with exactly the rights of the chart, beside the operator.
//!
//! No kubelet runs here, so nothing is delivered: the publications say so, and their time moves on.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use crd::{ComputeLease, DesiredState, LeaseName, Phase, condition, reason};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    runtime::conditions,
};
use operator::{
    client::Rate,
    election::ElectionSettings,
    meter::{
        MeterSettings,
        kubelet::{KubeletClient, KubeletTrust},
        metrics::MeterMetrics,
        run::Metering,
    },
};
use serde_json::{Value, json};
use telemetry::Registry;

use crate::{
    cluster::{Cluster, guestbook, wait},
    operator::phase,
    process::Process,
    running::{Running, WATCH_TIMES},
};

/// So many that no call waits.
const MANY: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not zero");

/// Starts a meter beside the test.
pub(crate) fn start(cluster: &Cluster, replica: &str) -> Result<Process> {
    let second = Duration::from_secs(1);
    let metering = Metering {
        client: cluster.as_meter()?,
        election: ElectionSettings::new(&cluster.system, &cluster.identity("meter"), replica.to_owned()),
        rate: Rate { per_second: MANY, burst: MANY },
        watch_times: WATCH_TIMES,
        system_namespace: cluster.system.clone(),
        kubelets: KubeletClient::new(KubeletTrust::Anything, PathBuf::from("/nonexistent/token"), 10250)?,
        settings: MeterSettings {
            scrape_interval: second,
            publish_interval: second,
            publish_rate: NonZeroU32::MIN,
        },
        ledger: None,
        metrics: MeterMetrics::register(&Registry::new())?,
    };
    Ok(Process::start(|health, token| async move { metering.run(&health, token).await }))
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn usage_is_published_by_the_meter_alone_and_a_lease_ends_after_its_last_word() -> Result<()> {
    Cluster::connect("meter").await?.clean_up_after(publishes).await
}

async fn publishes(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let operator = Running::start(cluster)?;
    let meter = start(cluster, "first")?;
    let name = cluster.open_lease(0xb1, &guestbook()).await?;
    phase(cluster, &name, Phase::Provisioning).await?;
    let started = begin_term(cluster, &name).await?;
    let usage = published(cluster, &name, 3).await?;
    assert!(usage.as_of > started, "{usage:?}");
    assert_eq!(
        (usage.allocated.uptime_seconds.as_str(), usage.allocated.cpu_milli_seconds.as_str()),
        ("0", "0")
    );
    assert!(meter.ready.report().passes(), "{}", meter.ready.report());
    what_the_meter_may_not_do(cluster, &name).await?;

    // The next one goes on where this one was.
    meter.stop().await?;
    let meter = start(cluster, "second")?;
    let later = published(cluster, &name, usage.sequence + 2).await?;
    assert!(later.as_of > usage.as_of, "{later:?}");

    let leases = cluster.own::<ComputeLease>();
    let end = json!({"spec": {"desired": DesiredState::Ended}});
    leases.patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&end)).await?;
    let lease = phase(cluster, &name, Phase::Ended).await?;
    assert_eq!(reason_of(&lease, condition::USAGE_FINAL), reason::FINAL_USAGE_PUBLISHED);
    // Where the meter was the faster one, the operator had nothing to wait for and says nothing of it.
    let waited = reason_of(&lease, condition::USAGE_COLLECTED);
    assert!(["", reason::FINAL_USAGE_PUBLISHED].contains(&waited), "{waited}");
    assert_eq!(reason_of(&lease, condition::METERED), reason::TERM_ENDED);
    let usage = lease.status.as_ref().and_then(|status| status.usage.clone());
    assert!(usage.is_some_and(|usage| usage.sequence > later.sequence));
    gone(cluster, &name, &lease).await?;
    meter.stop().await?;
    operator.stop().await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_lease_whose_meter_is_gone_ends_with_what_was_published() -> Result<()> {
    Cluster::connect("silent").await?.clean_up_after(ends_alone).await
}

async fn ends_alone(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let operator = Running::start(cluster)?;
    let meter = start(cluster, "first")?;
    let name = cluster.open_lease(0xb2, &guestbook()).await?;
    phase(cluster, &name, Phase::Provisioning).await?;
    begin_term(cluster, &name).await?;
    published(cluster, &name, 1).await?;
    meter.stop().await?;
    let leases = cluster.own::<ComputeLease>();
    let before = leases.get(name.as_str()).await?.status.and_then(|status| status.usage);

    let end = json!({"spec": {"desired": DesiredState::Ended}});
    leases.patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&end)).await?;
    let lease = phase(cluster, &name, Phase::Ended).await?;
    assert_eq!(reason_of(&lease, condition::USAGE_COLLECTED), reason::METER_SILENT);
    assert_eq!(reason_of(&lease, condition::USAGE_FINAL), reason::LEASE_RUNNING);
    assert_eq!(lease.status.as_ref().and_then(|status| status.usage.clone()), before);

    // A meter that comes back lets that stand, and says so.
    let meter = start(cluster, "first")?;
    let is_final = |lease: Option<&ComputeLease>| {
        lease.is_some_and(|lease| condition::is_true(lease.conditions(), condition::USAGE_FINAL))
    };
    let lease = wait(&leases, name.as_str(), is_final).await?.context("the lease disappeared")?;
    assert_eq!(reason_of(&lease, condition::USAGE_FINAL), reason::METER_SILENT);
    assert_eq!(lease.status.as_ref().and_then(|status| status.usage.clone()), before);
    gone(cluster, &name, &lease).await?;
    meter.stop().await?;
    operator.stop().await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn usage_that_an_older_operator_wrote_outlives_the_upgrade() -> Result<()> {
    Cluster::connect("upgrade").await?.clean_up_after(upgrades).await
}

async fn upgrades(cluster: &Cluster) -> Result<()> {
    cluster.grant_rights().await?;
    cluster.ensure_storage_class().await?;
    let name = cluster.open_lease(0xb3, &guestbook()).await?;
    begin_term(cluster, &name).await?;
    let leases = cluster.own::<ComputeLease>();
    let zero = "0";
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        })
    };
    let old = json!({
        "apiVersion": "leasehold.dev/v1alpha1", "kind": "ComputeLease", "metadata": {"name": name.as_str()},
        "status": {
            "phase": "Ready",
            "conditions": [
                condition("Ready", "True", "AllReady"),
                condition("Metered", "True", "Metering"),
                condition("UsageFinal", "False", "LeaseRunning"),
            ],
            "usage": {
                "asOf": 1_700_000_000, "sequence": 41, "meterRoot": format!("0x{}", "7".repeat(64)),
                "allocated": {
                    "uptimeSeconds": "100", "cpuMilliSeconds": "1000", "memoryByteSeconds": zero,
                    "storageByteSeconds": zero, "gpuMilliSeconds": zero, "egressBytes": zero,
                    "leasedIpSeconds": zero, "deviceMilliSeconds": zero,
                },
                "used": {
                    "cpuNanoseconds": "5", "memoryByteSeconds": zero, "networkRxBytes": zero,
                    "networkTxBytes": zero,
                },
            },
        },
    });
    let as_operator = PatchParams::apply(crd::labels::OPERATOR_FIELD_MANAGER).force();
    let before = leases.patch_status(name.as_str(), &as_operator, &Patch::Apply(&old)).await?;
    // Just leaving it out would remove what the tenant owes, so the definition does not let anybody.
    let dropped = json!({
        "apiVersion": "leasehold.dev/v1alpha1", "kind": "ComputeLease", "metadata": {"name": name.as_str()},
        "status": {"phase": "Ready"},
    });
    let refused = leases.patch_status(name.as_str(), &as_operator, &Patch::Apply(&dropped)).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("usage may not be removed")));

    // No meter runs yet; the operator alone must not lose anything.
    let operator = Running::start(cluster)?;
    let is_left_to_the_meter = |lease: Option<&ComputeLease>| {
        lease.is_some_and(|lease| {
            let owned = lease.managed_fields().iter().filter(|entry| {
                entry.manager.as_deref() == Some(crd::labels::OPERATOR_FIELD_MANAGER)
                    && entry.fields_v1.as_ref().is_some_and(|fields| owns_usage(&fields.0))
            });
            owned.count() == 0
        })
    };
    let lease = wait(&leases, name.as_str(), is_left_to_the_meter).await?.context("the lease disappeared")?;
    let usage = |lease: &ComputeLease| lease.status.as_ref().and_then(|status| status.usage.clone());
    assert_eq!(usage(&lease), usage(&before));
    assert_eq!(reason_of(&lease, condition::METERED), reason::METERING);
    assert_eq!(reason_of(&lease, condition::USAGE_FINAL), reason::LEASE_RUNNING);

    let meter = start(cluster, "first")?;
    let next = published(cluster, &name, 42).await?;
    assert_eq!(next.allocated.uptime_seconds, "100");
    meter.stop().await?;
    operator.stop().await
}

fn owns_usage(fields: &Value) -> bool {
    fields.pointer("/f:status/f:usage").is_some()
        || fields.pointer("/f:status/f:conditions").is_some_and(|conditions| {
            [r#"k:{"type":"Metered"}"#, r#"k:{"type":"UsageFinal"}"#]
                .iter()
                .any(|key| conditions.get(key).is_some())
        })
}

/// The rights that would make the meter more than a meter.
async fn what_the_meter_may_not_do(cluster: &Cluster, name: &LeaseName) -> Result<()> {
    let client = cluster.as_meter()?;
    let forbidden = |error: kube::Error| matches!(error, kube::Error::Api(status) if status.code == 403);
    let secrets = Api::<Secret>::namespaced(client.clone(), &cluster.system);
    assert!(secrets.get(&name.manifest_secret()).await.is_err_and(forbidden));
    assert!(secrets.list(&ListParams::default()).await.is_err_and(forbidden));
    let namespaces = Api::<Namespace>::all(client.clone());
    assert!(namespaces.delete(name.as_str(), &DeleteParams::default()).await.is_err_and(forbidden));
    let leases = Api::<ComputeLease>::namespaced(client, &cluster.system);
    let end = json!({"spec": {"desired": DesiredState::Ended}});
    let patched = leases.patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&end)).await;
    assert!(patched.is_err_and(forbidden));
    Ok(())
}

/// Sets a term that has begun; returns its start.
pub(crate) async fn begin_term(cluster: &Cluster, name: &LeaseName) -> Result<i64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let started = i64::try_from(now)? - 5;
    let term = json!({"spec": {"term": {"startedAt": started, "endsAt": started + 3600}}});
    let leases = cluster.own::<ComputeLease>();
    leases.patch(name.as_str(), &PatchParams::default(), &Patch::Merge(&term)).await?;
    Ok(started)
}

pub(crate) async fn published(cluster: &Cluster, name: &LeaseName, sequence: i64) -> Result<crd::LeaseUsage> {
    let published = |lease: Option<&ComputeLease>| {
        let usage = lease.and_then(|lease| lease.status.as_ref()?.usage.as_ref());
        usage.is_some_and(|usage| usage.sequence >= sequence)
    };
    let lease = wait(&cluster.own::<ComputeLease>(), name.as_str(), published).await?;
    let status = lease.context("the lease disappeared")?.status;
    status.and_then(|status| status.usage).context("usage was published")
}

pub(crate) fn reason_of<'a>(lease: &'a ComputeLease, type_: &str) -> &'a str {
    condition::find(lease.conditions(), type_).map_or("", |condition| &condition.reason)
}

async fn gone(cluster: &Cluster, name: &LeaseName, lease: &ComputeLease) -> Result<()> {
    assert!(cluster.all::<Namespace>().get_opt(name.as_str()).await?.is_none());
    let leases = cluster.own::<ComputeLease>();
    leases.delete(name.as_str(), &DeleteParams::default()).await?;
    wait(&leases, name.as_str(), conditions::is_deleted(&lease.uid().unwrap_or_default())).await?;
    Ok(())
}
