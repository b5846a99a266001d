//! What every long-running subcommand has around its work: logs, signals, metrics, health and the admin port.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use telemetry::{AdminServer, CancellationToken, Health, LogFormat, Registry};
use tokio::{task::JoinHandle, time::Duration};

use crate::watches::WatchTimes;

/// Flags that are the same for every long-running subcommand.
#[derive(Debug, Args)]
pub(super) struct ProcessArgs {
    /// Address of /metrics, /healthz and /readyz.
    #[arg(long, default_value = "0.0.0.0:8080")]
    admin_addr: SocketAddr,
    /// Form of the log lines: text or json.
    #[arg(long, default_value_t)]
    log_format: LogFormat,
    /// Which log lines to write, such as info or warn,operator=debug.
    #[arg(long, default_value = "info", env = "RUST_LOG")]
    log_filter: String,
    /// Seconds after which the API server is asked to end each watch. One from which nothing came for 4 s longer is cut and
    /// begun again; one that then stays silent for as long and 80 s more, though the API server answers, fails /healthz.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(10..=3600))]
    watch_lifetime: u64,
}

/// A process whose admin port is open.
pub(super) struct Process {
    /// Where metrics are registered.
    pub(super) registry: Registry,
    /// What `/healthz` and `/readyz` answer.
    pub(super) health: Health,
    /// How long its watches may take for what.
    pub(super) watch_times: WatchTimes,
    /// Cancelled by SIGTERM.
    pub(super) shutdown: CancellationToken,
    admin: JoinHandle<Result<(), telemetry::admin::Error>>,
}

impl ProcessArgs {
    /// The same without what these crates log, whatever the filter says: it may hold what a tenant asked.
    pub(super) fn without_logs_of(mut self, crates: &[&str]) -> Self {
        for silenced in crates {
            self.log_filter.push_str(&format!(",{silenced}=off"));
        }
        self
    }

    /// Opens the logs and the admin port, and listens for signals.
    pub(super) async fn start(self) -> anyhow::Result<Process> {
        let Self { admin_addr, log_format, log_filter, watch_lifetime } = self;
        telemetry::logging::init(log_format, &log_filter)?;
        let shutdown = telemetry::shutdown::on_signal().context("failed to listen for signals")?;
        let registry = Registry::new();
        let health = Health::default();
        let admin = AdminServer::bind(admin_addr).await?;
        tracing::info!(addr = %admin_addr, "admin port is open");
        let Health { alive, ready } = health.clone();
        let admin = tokio::spawn(admin.serve(registry.clone(), alive, ready, shutdown.clone()));
        let watch_times = WatchTimes::new(Duration::from_secs(watch_lifetime));
        Ok(Process { registry, health, watch_times, shutdown, admin })
    }
}

impl Process {
    /// Closes the admin port. Whatever made the work stop, nothing else may go on without it.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.admin.await.context("the admin server panicked")??;
        Ok(())
    }
}
