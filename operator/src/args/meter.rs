//! Flags of `operator meter`, and what belongs to its process.

use std::{num::NonZeroU32, path::PathBuf};

use anyhow::Context as _;
use clap::Parser;
use crd::labels;
use jiff::Timestamp;
use kube::Client;
use tokio::time::Duration;

use super::{evidence::LedgerArgs, process::ProcessArgs, retention::RetentionArgs};
use crate::{
    client::Rate,
    election::{self, ElectionSettings},
    meter::{
        LedgerSettings, MeterSettings,
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
    /// Most publications of running leases in a second, on average. With more leases each waits longer for its turn.
    #[arg(long, default_value = "10", env = "LEASEHOLD_PUBLISH_RATE")]
    publish_rate: NonZeroU32,
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
    retention: RetentionArgs,
    #[command(flatten)]
    process: ProcessArgs,
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
            publish_rate,
            kubelet_port,
            kubelet_ca,
            kubelet_insecure_tls: _,
            kubelet_token,
            ledger,
            retention,
            process,
        } = self;
        let retention = retention.retention()?;
        let ledger = ledger.location()?.map(|location| LedgerSettings { location, retention });
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
                publish_rate,
            },
            ledger,
            metrics: MeterMetrics::register(&process.registry).context("failed to register metrics")?,
        };
        metering.run(&process.health, process.shutdown.clone()).await?;
        process.end().await
    }
}
