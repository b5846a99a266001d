//! What a run is given.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use e2e::agentless::RunArgs;

use crate::place::Place;
use crate::run;

/// Holds the meter's figures against the kernel's own, while everything around it is killed.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The program that kills parts of the testbed: xtask.
    #[arg(long)]
    pub(crate) xtask: PathBuf,
    /// Seconds of work.
    #[arg(long)]
    pub(crate) seconds: u64,
    /// Decides when what is killed.
    #[arg(long)]
    pub(crate) seed: u64,
}

impl Args {
    /// Runs it, prints the table, and fails where the meter is further from the kernel than it may be.
    pub(crate) async fn run(self) -> Result<()> {
        let images = self.run.prepare()?;
        let given = self.run.clone();
        let place = Place::connect(self, &images).await?;
        let measured = run::run(&place).await;
        let cleaned = place.clean_up().await;
        let table = measured?;
        println!("{table}");
        given.write(&table)?;
        cleaned?;
        table.check()
    }
}
