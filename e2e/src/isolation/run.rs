//! The order of things: install, lease, aim, collect, and the same without controls.

use std::time::Instant;

use anyhow::Result;
use crd::TierName;
use isolation_probe::attempt::FROM_INSIDE;
use isolation_probe::observation::{Observation, Outcome};
use isolation_probe::targets::Targets;
use serde_json::json;

use crate::lease::{self, Lease};
use crate::place::{NodeFacts, Place};
use crate::table::{ALL, Seen, Table};
use crate::unenforced::{self, Refusal};
use crate::{admission, aim, hosts, inside, loads, node, private_images, rendered, residue, rights};

const TIERS: [TierName; 3] = [TierName::Strict, TierName::Userns, TierName::Sandboxed];
/// Rows whose proof takes minutes.
const OF_LOADS: [u8; 4] = [20, 21, 23, 27];
/// What only a network plug-in holds.
const OF_NETWORK: [u8; 5] = [7, 8, 9, 11, 19];
const OF_RESIDUE: [u8; 2] = [30, 36];

/// Runs it all.
pub(crate) async fn run(place: &Place) -> Result<Table> {
    let clock = Clock(Instant::now());
    // A run that was killed, or kept, may have left something.
    place.clean_up().await?;
    inside::prepare_bare(place).await?;
    place.install().await?;
    clock.say("the chart is installed");
    let mut seen = Seen::default();
    let node = place.node().await?;
    let services = json!({"peer": lease::service(place, &["serve"], "20m", "32Mi", &json!({"ports": [{"port": 8080}]}))});
    let neighbour = lease::open(place, 1, TierName::Strict, services).await?;
    neighbour.await_ready(place).await?;
    let shared = aim::shared(place, &node, &neighbour).await?;
    let leases = open_probes(place, &shared, &node, &mut seen).await?;
    clock.say("the probes' leases are ready");

    let template = admission::template(place, &neighbour, "peer").await?;
    if let Some(strict) = leases.first() {
        let template = admission::template(place, strict, "probe").await?;
        inside::start_mutants(place, &template, &aim::without_controls(&shared, &node)).await?;
    }
    for lease in &leases {
        of_lease(place, lease, &mut seen).await?;
        clock.say(&format!("tier {} is tried", lease.tier));
    }
    if !leases.is_empty() {
        seen.add_mutants(ALL, inside::mutants(place).await?);
        seen.add_mutants(ALL, inside::outside_of_pods(place, &shared).await?);
    }
    of_the_cluster(place, &mut seen).await?;
    without_controls(place, &template, &mut seen).await?;
    clock.say("the API server is tried");
    if wants(place, &[26]) {
        seen.add(TierName::Strict.to_string().as_str(), private_images::of_leases(place).await?);
        seen.add_mutants(ALL, private_images::without_controls(place).await?);
        clock.say("a private image is tried");
    }
    // Loads take minutes of waiting, and no lease of theirs is opened meanwhile.
    let loaded = start_loads(place).await?;
    let (loads, unenforced) =
        tokio::try_join!(of_loads(place, loaded, &node), of_an_unenforcing_network(place))?;
    if let Some((of_lease, mutants)) = loads {
        seen.add(TierName::Strict.to_string().as_str(), of_lease);
        seen.add_mutants(ALL, mutants);
    }
    clock.say("loads and a network that enforces nothing are tried");
    if wants(place, &OF_RESIDUE) {
        seen.add(TierName::Strict.to_string().as_str(), residue::of_leases(place).await?);
        seen.add_mutants(ALL, residue::without_controls(place).await?);
        clock.say("what leases leave behind is looked at");
    }
    Ok(Table { unenforced, ..seen.judge(&place.args.rows, admission::policies(place).await?) })
}

async fn start_loads(place: &Place) -> Result<Option<Lease>> {
    if !wants(place, &OF_LOADS) {
        return Ok(None);
    }
    let loaded = loads::open(place).await?;
    loads::await_pods(place, &loaded).await?;
    loads::start_mutants(place).await?;
    Ok(Some(loaded))
}

async fn of_loads(
    place: &Place,
    loaded: Option<Lease>,
    node: &NodeFacts,
) -> Result<Option<(Vec<Observation>, Vec<Observation>)>> {
    let Some(loaded) = loaded else { return Ok(None) };
    let of_lease = loads::of_lease(place, &loaded, node).await?;
    let mutants = loads::mutants(place).await?;
    // An evicted pod is replaced at once and fills the disk again, eight times, so nothing waits for the run's end.
    loaded.end(place).await?;
    Ok(Some((of_lease, mutants)))
}

async fn of_an_unenforcing_network(place: &Place) -> Result<Vec<Refusal>> {
    if !wants(place, &OF_NETWORK) {
        return Ok(Vec::new());
    }
    unenforced::refusals(place).await
}

/// Opens a lease with a probe in every wanted tier. A tier that is refused is no failure, and nothing is claimed of it.
async fn open_probes(
    place: &Place,
    shared: &Targets,
    node: &NodeFacts,
    seen: &mut Seen,
) -> Result<Vec<Lease>> {
    let mut leases = Vec::new();
    for (seed, tier) in (2..).zip(TIERS) {
        if !place.args.tier.is_empty() && !place.args.tier.contains(&tier) {
            continue;
        }
        let name = crd::LeaseName::of(e2e::opened::id(seed));
        let targets = serde_json::to_string(&aim::of_tier(shared, tier, node, name.as_str()))?;
        let mut probe = json!({"env": {"ISOLATION_TARGETS": targets}});
        // The tiers that allow root are tried as root.
        if tier != TierName::Strict {
            probe["runAsUser"] = json!(0);
        }
        let run = ["run", "--afterwards", "wait"];
        let services = json!({
            "peer": lease::service(place, &["serve"], "20m", "32Mi", &json!({"ports": [{"port": 8080}]})),
            "probe": lease::service(place, &run, &format!("{}m", aim::CPU_MILLI), "128Mi", &probe),
        });
        let lease = lease::open(place, seed, tier, services).await?;
        match lease.await_ready(place).await {
            Ok(()) => leases.push(lease),
            Err(error) if tier == TierName::Strict => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                let untried =
                    FROM_INSIDE.map(|row| Observation::new(row, "lease", Outcome::NotTried, reason.clone()));
                seen.add(&tier.to_string(), untried);
            }
        }
    }
    Ok(leases)
}

async fn of_lease(place: &Place, lease: &Lease, seen: &mut Seen) -> Result<()> {
    let tier = lease.tier.to_string();
    let template = admission::template(place, lease, "probe").await?;
    // Rows whose target belongs to another proof were not tried here.
    let inside = inside::of_lease(place, lease).await?;
    seen.add(&tier, inside.into_iter().filter(|seen| seen.row != 30));
    seen.add(&tier, admission::in_lease(place, lease, &template).await?);
    if lease.tier == TierName::Sandboxed {
        seen.add(&tier, node::of_lease(place, lease).await?);
        seen.add_mutants(&tier, node::without_controls());
    }
    seen.add(&tier, rights::of_lease(place, lease).await?);
    seen.add(&tier, rendered::of_lease(place, lease).await?);
    seen.add(&tier, rendered::quota(place, lease, &template).await?);
    Ok(())
}

async fn of_the_cluster(place: &Place, seen: &mut Seen) -> Result<()> {
    seen.add(ALL, rights::of_ours(place).await?);
    seen.add(ALL, rendered::of_the_manifest(place));
    seen.add(ALL, hosts::race(place).await?);
    Ok(())
}

async fn without_controls(place: &Place, template: &serde_json::Value, seen: &mut Seen) -> Result<()> {
    seen.add_mutants(ALL, admission::without_controls(place, template).await?);
    seen.add_mutants(ALL, rights::without_controls(place).await?);
    seen.add_mutants(ALL, rendered::without_controls());
    seen.add_mutants(ALL, hosts::without_controls(place).await?);
    seen.add_mutants(ALL, rendered::without_quota(place, template).await?);
    Ok(())
}

fn wants(place: &Place, rows: &[u8]) -> bool {
    place.args.rows.is_empty() || rows.iter().any(|row| place.args.rows.contains(row))
}

/// Says how far the run is.
struct Clock(Instant);

impl Clock {
    fn say(&self, what: &str) {
        eprintln!("  · {what} ({} s)", self.0.elapsed().as_secs());
    }
}
