//! What a run is given, and the order in which the story is told.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;

use crate::report::Report;
use crate::story;
use crate::timeline::{Step, Timeline};
use crate::world::World;

/// Runs one lease from order to refund on a real chain and a real cluster.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Admin kubeconfig of the cluster.
    #[arg(long)]
    pub kubeconfig: PathBuf,
    /// Chain endpoint, reachable from here and from the cluster's pods.
    #[arg(long)]
    pub rpc_url: url::Url,
    /// Address at which the cluster's node ports are reached from here.
    #[arg(long)]
    pub node_address: std::net::IpAddr,
    /// JSON object of image name to digest reference, as `cargo xtask images` writes it.
    #[arg(long)]
    pub images: PathBuf,
    /// The helm binary.
    #[arg(long)]
    pub helm: PathBuf,
    /// The chart a provider installs.
    #[arg(long)]
    pub chart: PathBuf,
    /// Further chart values for this cluster.
    #[arg(long)]
    pub values: Vec<PathBuf>,
    /// The `leasehold` binary.
    #[arg(long)]
    pub leasehold: PathBuf,
    /// The `provider-agent` binary, for its `identity` command.
    #[arg(long)]
    pub provider_agent: PathBuf,
    /// Foundry's build output with the contracts' artifacts.
    #[arg(long)]
    pub contracts_out: PathBuf,
    /// JSON object that describes the Gateway of the cluster, as the testbed writes it; without one nothing is public.
    #[arg(long)]
    pub gateway: Option<PathBuf>,
    /// The tenant's manifest.
    #[arg(long)]
    pub manifest: PathBuf,
    /// Where the report and the run's files go.
    #[arg(long)]
    pub out: PathBuf,
    /// JSON list of the steps that came before (testbed, builds, images).
    #[arg(long)]
    pub earlier_steps: Option<PathBuf>,
    /// For how long the lease is metered before the first settlement, seconds.
    #[arg(long, default_value_t = 60)]
    pub meter_seconds: u64,
    /// Leave the chart installed.
    #[arg(long)]
    pub keep: bool,
}

impl Args {
    /// Tells the story; on failure prints the step that failed and the logs that explain it.
    ///
    /// # Errors
    /// Whatever the failing step says.
    pub async fn run(self) -> Result<()> {
        let earlier = match &self.earlier_steps {
            None => Vec::new(),
            Some(path) => serde_json::from_slice::<Vec<Step>>(
                &std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?,
            )
            .with_context(|| format!("failed to parse {}", path.display()))?,
        };
        let (out, keep) = (self.out.clone(), self.keep);
        let mut timeline = Timeline::after(earlier);
        let mut world = World::prepare(self, &mut timeline).await?;
        let told = match story::tell(&mut world, &mut timeline).await {
            Ok(report) => finish(&report, &out),
            Err(error) => {
                let step = timeline.current().unwrap_or("start").to_owned();
                eprintln!("\nstep failed: {step}\n{error:#}\n");
                world.print_evidence().await;
                Err(anyhow::anyhow!("the demo failed at: {step}"))
            }
        };
        // After a failure the chart stays for whoever looks into it: without its operator a lease could not be cleaned up.
        if told.is_ok() && !keep {
            world.remove_chart().await?;
        }
        told
    }
}

fn finish(report: &Report, out: &std::path::Path) -> Result<()> {
    report.print();
    let path = out.join("report.json");
    std::fs::write(&path, serde_json::to_vec_pretty(report)?)
        .with_context(|| format!("failed to write {}", path.display()))?;
    println!("\nreport: {}", path.display());
    report.check()
}
