//! The order of things: leases, term, work with disturbances, end, comparison.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crd::{LeaseUsage, Phase};
use e2e::cluster::until;
use e2e::opened;
use market::Dimension;

use crate::burners::{self, AFTER, Burner, ENDLESS_PERCENT};
use crate::disturb;
use crate::judge::{Row, Table};
use crate::kernel::{self, Counted, PodTruth};
use crate::place::Place;

/// Seconds between the end of the work and the end of the leases: two scrapes, and one that failed.
const IDLE: u64 = 75;
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) async fn run(place: &Place) -> Result<Table> {
    let burners = burners::open_all(place).await?;
    // The containers run already; their work begins later than the term.
    let running = Instant::now();
    let began = kernel::now()? / 1000 + 1;
    let mut before = Vec::new();
    for burner in &burners {
        burner.begin(place, began).await?;
        let mut pods = burner.pods(place).await?;
        let counted = kernel::read(&mut pods)?;
        before.push((pods, counted));
    }
    let seconds = AFTER + place.args.seconds;
    let quiet = Duration::from_secs(AFTER * 2 / 3);
    // While they wait and while they work; the last of the work is left in peace, so that there is an end to compare.
    tokio::time::sleep(quiet).await;
    let within = Duration::from_secs(seconds).saturating_sub(quiet);
    let disturbances = disturb::everything(place, within, place.args.seed).await?;
    tokio::time::sleep_until((running + Duration::from_secs(seconds + IDLE)).into()).await;

    let told = kernel::now()?;
    let pods: Vec<PodTruth> = before.iter().flat_map(|(pods, _)| pods.clone()).collect();
    let following = tokio::spawn(kernel::follow(pods));
    for burner in &burners {
        burner.end(place).await?;
    }
    let mut gone = following.await??.into_iter();
    let mut rows = Vec::new();
    for (burner, (pods, counted)) in burners.iter().zip(before) {
        let usage = last_usage(place, burner).await?;
        let ended: Vec<_> = gone.by_ref().take(pods.len()).collect();
        rows.push(row(burner, &usage, began, told, counted, &ended)?);
    }
    Ok(Table { seed: place.args.seed, disturbances, rows })
}

async fn last_usage(place: &Place, burner: &Burner) -> Result<LeaseUsage> {
    let name = burner.name.as_str();
    until(&format!("the end of {name}"), PATIENCE, || async {
        let lease = opened::leases(&place.admin).get(name).await?;
        let status = lease.status.unwrap_or_default();
        Ok((status.phase == Phase::Ended).then_some(status.usage))
    })
    .await?
    .with_context(|| format!("{name} ended without usage"))
}

fn row(
    burner: &Burner,
    usage: &LeaseUsage,
    began: i64,
    told: i64,
    before: Counted,
    ended: &[(PodTruth, i64)],
) -> Result<Row> {
    let after = ended.iter().fold(Counted::default(), |sum, (pod, _)| sum.plus(pod.counted));
    let gone = ended.iter().map(|(_, gone)| *gone).max().context("no pod ended")?;
    Ok(Row {
        tier: burner.tier.to_string(),
        work: burner.work,
        told_seconds: u64::try_from(told / 1000 - began)?,
        gone_millis: u64::try_from(gone - began * 1000)?,
        cpu_milli: burner.cpu_milli(),
        metered_cpu_milli_seconds: u64::try_from(usage.allocated()?.of(Dimension::Cpu))?,
        kernel_cpu_nanoseconds: after.cpu_nanoseconds - before.cpu_nanoseconds,
        metered_cpu_nanoseconds: usage.used.cpu_nanoseconds.parse()?,
        kernel_tx_bytes: after.tx_bytes - before.tx_bytes,
        metered_tx_bytes: usage.used.network_tx_bytes.parse()?,
        endless_cpu_nanoseconds: ENDLESS_PERCENT * 10_000_000,
    })
}
