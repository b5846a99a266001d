//! What a run is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;

use crate::place::Place;
use crate::run;

/// Holds the meter's figures against the kernel's own, while everything around it is killed.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// Admin kubeconfig of the testbed.
    #[arg(long)]
    pub(crate) kubeconfig: PathBuf,
    /// JSON object of image name to digest reference, as `cargo xtask images` writes it.
    #[arg(long)]
    pub(crate) images: PathBuf,
    /// The helm binary.
    #[arg(long)]
    pub(crate) helm: PathBuf,
    /// The chart a provider installs.
    #[arg(long)]
    pub(crate) chart: PathBuf,
    /// The program that kills parts of the testbed: xtask.
    #[arg(long)]
    pub(crate) xtask: PathBuf,
    /// Seconds of work.
    #[arg(long)]
    pub(crate) seconds: u64,
    /// Decides when what is killed.
    #[arg(long)]
    pub(crate) seed: u64,
    /// Where the run's files go.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Write the table as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

impl Args {
    /// Runs it, prints the table, and fails where the meter is further from the kernel than it may be.
    pub(crate) async fn run(self) -> Result<()> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("failed to make {}", self.out.display()))?;
        let images = std::fs::read(&self.images).context("failed to read the image references")?;
        let images: BTreeMap<String, String> =
            serde_json::from_slice(&images).context("failed to parse the image references")?;
        let json = self.json.clone();
        let place = Place::connect(self, &images).await?;
        let measured = run::run(&place).await;
        let cleaned = place.clean_up().await;
        let table = measured?;
        println!("{table}");
        if let Some(path) = json {
            std::fs::write(&path, serde_json::to_vec_pretty(&table)?)
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
        cleaned?;
        table.check()
    }
}
