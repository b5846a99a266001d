//! Flags of `operator meter`, and what belongs to its process.

use std::{fs, num::NonZeroU32, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser};
use crd::labels;
use jiff::Timestamp;
use kube::Client;
use ledger::{Authority, Location, Secret};
use tokio::time::Duration;

use super::process::ProcessArgs;
use crate::{
    client::Rate,
    election::{self, ElectionSettings},
    meter::{
        MeterSettings,
        kubelet::{KubeletClient, KubeletTrust},
        metrics::MeterMetrics,
        run::Metering,
    },
};

/// Flags of `operator meter`.
#[derive(Debug, Parser)]
pub(super) struct MeterArgs {
    /// Namespace of the ComputeLease objects and of the meter.
    #[arg(long, env = "LEASEHOLD_NAMESPACE")]
    namespace: String,
    /// Unique name of this replica in the election; the pod's name if left out.
    #[arg(long, env = "HOSTNAME", default_value = "meter")]
    replica: String,
    /// Calls to the API server per second in the long run.
    #[arg(long, default_value = "100")]
    api_qps: NonZeroU32,
    /// Calls to the API server at once after a quiet time.
    #[arg(long, default_value = "200")]
    api_burst: NonZeroU32,
    /// Seconds between two scrapes of a node.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=300), env = "LEASEHOLD_SCRAPE_INTERVAL")]
    scrape_interval: u64,
    /// Seconds between two publications of a lease's usage.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), env = "LEASEHOLD_PUBLISH_INTERVAL")]
    publish_interval: u64,
    /// Port of the kubelets.
    #[arg(long, default_value_t = 10250)]
    kubelet_port: u16,
    /// Certificate authority (PEM) that signed the kubelets' serving certificates.
    #[arg(long, required_unless_present = "kubelet_insecure_tls", conflicts_with = "kubelet_insecure_tls")]
    kubelet_ca: Option<PathBuf>,
    /// Do not verify the kubelets' certificates: whoever can take a node's address can then invent usage.
    #[arg(long)]
    kubelet_insecure_tls: bool,
    /// File with the token that the kubelets are shown.
    #[arg(long, default_value = "/var/run/secrets/kubernetes.io/serviceaccount/token")]
    kubelet_token: PathBuf,
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    process: ProcessArgs,
}

/// Where the meter keeps evidence.
#[derive(Debug, Args)]
struct LedgerArgs {
    /// Where to keep what was counted and its evidence: a file, or postgres://USER@HOST/DATABASE without a password. Left
    /// out, only what is published in each lease's status is kept.
    #[arg(long, env = "LEASEHOLD_LEDGER", hide_env_values = true)]
    ledger: Option<String>,
    /// File with the password for the ledger's database.
    #[arg(long, requires = "ledger")]
    ledger_password_file: Option<PathBuf>,
    /// Certificate authority (PEM) of the ledger's database. Needed unless the database is on the same machine.
    #[arg(long, requires = "ledger")]
    ledger_ca: Option<PathBuf>,
}

impl LedgerArgs {
    fn location(&self) -> anyhow::Result<Option<Location>> {
        let Some(ledger) = &self.ledger else { return Ok(None) };
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
        };
        let password = self.ledger_password_file.as_ref().map(read).transpose()?;
        let authority = self.ledger_ca.as_ref().map(read).transpose()?;
        let authority = authority.map(|pem| Authority::from_pem(pem.as_bytes())).transpose()?;
        let password = password.map(|password| Secret::new(&password));
        Ok(Some(Location::parse(ledger, password, authority)?))
    }
}

impl MeterArgs {
    /// Meters until SIGTERM.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self {
            namespace,
            replica,
            api_qps,
            api_burst,
            scrape_interval,
            publish_interval,
            kubelet_port,
            kubelet_ca,
            kubelet_insecure_tls: _,
            kubelet_token,
            ledger,
            process,
        } = self;
        let ledger = ledger.location()?;
        let process = process.start().await?;
        let trust = match kubelet_ca {
            Some(ca) => KubeletTrust::Authority(ca),
            None => KubeletTrust::Anything,
        };
        let metering = Metering {
            client: Client::try_default().await.context("failed to find a cluster")?,
            election: ElectionSettings::new(
                &namespace,
                labels::METER_ELECTION,
                election::identity(&replica, Timestamp::now()),
            ),
            rate: Rate { per_second: api_qps, burst: api_burst },
            watch_times: process.watch_times,
            system_namespace: namespace,
            kubelets: KubeletClient::new(trust, kubelet_token, kubelet_port)
                .context("failed to set up the kubelet client")?,
            settings: MeterSettings {
                scrape_interval: Duration::from_secs(scrape_interval),
                publish_interval: Duration::from_secs(publish_interval),
            },
            ledger,
            metrics: MeterMetrics::register(&process.registry).context("failed to register metrics")?,
        };
        metering.run(&process.health, process.shutdown.clone()).await?;
        process.end().await
    }
}
