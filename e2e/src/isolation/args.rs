//! What a run is given.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use crd::TierName;
use e2e::agentless::RunArgs;

use crate::place::Place;
use crate::private_images::PrivateRegistry;
use crate::run;

/// Tries every row of the escape table on a real cluster, and each control's absence.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The probe's binary, to run it outside of any pod.
    #[arg(long)]
    pub(crate) probe: PathBuf,
    /// Addresses of metadata services that were made for pods to see.
    #[arg(long, value_delimiter = ',')]
    pub(crate) metadata: Vec<IpAddr>,
    /// An address that looks public and was made for pods to see; it listens on ports of mail, on 443, and on 53 and 853.
    #[arg(long)]
    pub(crate) public: IpAddr,
    /// A registry that has the probe's image too and asks for a password: USER:PASSWORD@HOST:PORT.
    #[arg(long)]
    pub(crate) private_registry: PrivateRegistry,
    /// Rows to try; all if left out.
    #[arg(long, value_delimiter = ',')]
    pub(crate) rows: Vec<u8>,
    /// Tiers to try; all if left out.
    #[arg(long, value_delimiter = ',', value_parser = tier)]
    pub(crate) tier: Vec<TierName>,
    /// Leave the chart and the namespaces.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Args {
    /// Runs it, prints the table, and fails where a row is open that nobody knew of, or a mutant was missed.
    pub(crate) async fn run(self) -> Result<()> {
        let images = self.run.prepare()?;
        let given = self.run.clone();
        let place = Place::connect(self, &images).await?;
        let told = run::run(&place).await;
        let cleaned = if place.args.keep { Ok(()) } else { place.clean_up().await };
        let table = told?;
        table.print();
        given.write(&table)?;
        cleaned?;
        table.check()
    }
}

fn tier(text: &str) -> Result<TierName, String> {
    serde_json::from_value(serde_json::Value::from(text)).map_err(|error| error.to_string())
}
