//! What every long-running subcommand has around its work: logs, signals, metrics, health and the admin port.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use telemetry::{AdminServer, CancellationToken, Checks, LogFormat, Registry};
use tokio::task::JoinHandle;

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
}

/// A process whose admin port is open.
pub(super) struct Process {
    /// Where metrics are registered.
    pub(super) registry: Registry,
    /// What `/readyz` answers.
    pub(super) ready: Checks,
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
        let Self { admin_addr, log_format, log_filter } = self;
        telemetry::logging::init(log_format, &log_filter)?;
        let shutdown = telemetry::shutdown::on_signal().context("failed to listen for signals")?;
        let registry = Registry::new();
        let ready = Checks::new();
        let admin = AdminServer::bind(admin_addr).await?;
        tracing::info!(addr = %admin_addr, "admin port is open");
        let admin =
            tokio::spawn(admin.serve(registry.clone(), Checks::new(), ready.clone(), shutdown.clone()));
        Ok(Process { registry, ready, shutdown, admin })
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
