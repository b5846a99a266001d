//! The leases of a run: in each tier one whose work is done before its end, and one that works until it is ended.

use anyhow::{Context, Result, ensure};
use crd::{LeaseName, TierName};
use e2e::opened;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::kernel::PodTruth;
use crate::place::{MANAGER, Place};

/// Seconds from the start of a container to its work: a scrape of each lease inside its term comes before.
pub(crate) const AFTER: u64 = 90;
/// What is sent in every tier.
pub(crate) const BYTES: u64 = 100 << 20;
/// Hundredths of a processor that work takes until it is ended.
pub(crate) const ENDLESS_PERCENT: u64 = 8;
const DONE_PERCENT: u64 = 12;
/// The CPU limits of a lease's pods, thousandths of a core.
const DONE_LIMITS: [u64; 3] = [150, 100, 100];
const ENDLESS_LIMITS: [u64; 1] = [100];

/// When a lease's work is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Long before the lease.
    Done,
    /// With the lease.
    Endless,
}

/// A lease of the run.
#[derive(Debug)]
pub(crate) struct Burner {
    pub(crate) tier: TierName,
    pub(crate) work: Work,
    pub(crate) name: LeaseName,
}

impl Burner {
    /// Thousandths of a core that all of its pods hold.
    pub(crate) fn cpu_milli(&self) -> u64 {
        match self.work {
            Work::Done => DONE_LIMITS.iter().sum(),
            Work::Endless => ENDLESS_LIMITS.iter().sum(),
        }
    }

    fn services(&self) -> &'static [&'static str] {
        match self.work {
            Work::Done => &["spin", "send", "sink"],
            Work::Endless => &["spin"],
        }
    }

    /// Begins the term of the lease at a second.
    pub(crate) async fn begin(&self, place: &Place, second: i64) -> Result<()> {
        let term = json!({"startedAt": second, "endsAt": second + 24 * 3600});
        self.change(place, json!({"term": term})).await
    }

    /// Ends it.
    pub(crate) async fn end(&self, place: &Place) -> Result<()> {
        self.change(place, json!({"desired": "Ended"})).await
    }

    async fn change(&self, place: &Place, spec: Value) -> Result<()> {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        opened::leases(&place.admin)
            .patch(self.name.as_str(), &params, &Patch::Merge(json!({"spec": spec})))
            .await
            .with_context(|| format!("failed to change {}", self.name.as_str()))?;
        Ok(())
    }

    /// What the kernel knows of each of its pods.
    pub(crate) async fn pods(&self, place: &Place) -> Result<Vec<PodTruth>> {
        let mut all = Vec::new();
        for service in self.services() {
            let pods = opened::pods(&place.admin, &self.name, service).await?;
            let [pod] = pods.as_slice() else {
                anyhow::bail!("{service} of {} has {} pods", self.name.as_str(), pods.len());
            };
            let uid = pod.uid().context("a pod has no UID")?;
            all.push(PodTruth::of(&uid).with_context(|| {
                format!("the kernel does not know the pod of {service} of {}", self.name.as_str())
            })?);
        }
        ensure!(!all.is_empty(), "{} has no pods", self.name.as_str());
        Ok(all)
    }
}

/// Opens all of them.
pub(crate) async fn open_all(place: &Place) -> Result<Vec<Burner>> {
    let mut all = Vec::new();
    let tiers = [TierName::Strict, TierName::Userns, TierName::Sandboxed];
    let kinds = tiers.into_iter().flat_map(|tier| [(tier, Work::Done), (tier, Work::Endless)]);
    for (seed, (tier, work)) in (31..).zip(kinds) {
        let manifest = json!({
            "version": "v1", "name": "accuracy", "duration": "1d", "tier": tier,
            "network": {"egressPerSecond": "100Mi"}, "services": services(place, work),
        });
        let name = opened::open(&place.admin, MANAGER, opened::id(seed), &manifest).await?;
        all.push(Burner { tier, work, name });
    }
    for burner in &all {
        opened::await_ready(&place.admin, &burner.name).await?;
    }
    Ok(all)
}

fn services(place: &Place, work: Work) -> Value {
    let after = AFTER.to_string();
    let service = |arguments: &[&str], milli: u64, more: Value| {
        let mut service = json!({
            "image": place.work_image, "args": arguments, "runAsUser": 10001,
            "resources": {"cpu": format!("{milli}m"), "memory": "64Mi"},
        });
        if let (Some(service), Some(more)) = (service.as_object_mut(), more.as_object()) {
            service.extend(more.clone());
        }
        service
    };
    match work {
        Work::Done => {
            let [spin, send, sink] = DONE_LIMITS;
            let (percent, seconds) = (DONE_PERCENT.to_string(), place.args.seconds.to_string());
            let spins = ["spin", "--percent", &percent, "--after", &after, "--seconds", &seconds];
            let bytes = BYTES.to_string();
            let sends = ["transfer", "--to", "sink:9000", "--bytes", &bytes, "--after", &after];
            let sinks = ["serve", "--sink", "0.0.0.0:9000"];
            json!({
                "spin": service(&spins, spin, json!({})),
                "send": service(&sends, send, json!({})),
                "sink": service(&sinks, sink, json!({"ports": [{"port": 9000}]})),
            })
        }
        Work::Endless => {
            let [spin] = ENDLESS_LIMITS;
            let percent = ENDLESS_PERCENT.to_string();
            json!({"spin": service(&["spin", "--percent", &percent, "--after", &after], spin, json!({}))})
        }
    }
}
