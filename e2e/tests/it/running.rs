//! Operators that run beside a test: one that is asked to stop, and one that is killed.

use std::{num::NonZeroU32, time::Duration};

use anyhow::Result;
use kube::Client;
use market::Tier;
use operator::{
    client::Rate,
    election::ElectionSettings,
    lease_controller::images::ImageBook,
    metrics::Metrics,
    operation::Operation,
    settings::{NameServerSettings, Settings},
    watches::WatchTimes,
};
use telemetry::{CancellationToken, Health, Registry};
use tokio::runtime::Runtime;

use crate::{
    cluster::{Cluster, NAME_SERVER},
    process::Process,
};

/// So many that no call waits.
const MANY: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not zero");

/// As a provider's operator has them.
pub(crate) const WATCH_TIMES: WatchTimes = WatchTimes::new(Duration::from_secs(120));

/// How long a lease's end waits for its last usage. The test without a meter waits it out.
const FINAL_USAGE_WAIT: Duration = Duration::from_secs(20);

/// An operator that runs beside the test.
pub(crate) struct Running {
    pub(crate) metrics: Metrics,
    pub(crate) process: Process,
}

impl Running {
    pub(crate) fn start(cluster: &Cluster) -> Result<Self> {
        Self::start_as(cluster, "operator")
    }

    /// Starts a replica; two at once must have different names.
    pub(crate) fn start_as(cluster: &Cluster, replica: &str) -> Result<Self> {
        Self::start_with(cluster, cluster.as_operator()?, replica)
    }

    /// Starts a replica that reaches the API server by this client.
    pub(crate) fn start_with(cluster: &Cluster, client: Client, replica: &str) -> Result<Self> {
        Self::start_watching(cluster, client, replica, WATCH_TIMES)
    }

    /// Starts a replica whose watches have these times.
    pub(crate) fn start_watching(
        cluster: &Cluster,
        client: Client,
        replica: &str,
        watch_times: WatchTimes,
    ) -> Result<Self> {
        let metrics = Metrics::register(&Registry::new())?;
        let operation = Operation { watch_times, ..operation(cluster, client, metrics.clone(), replica)? };
        let process = Process::start(|health, token| async move { operation.run(&health, token).await });
        Ok(Self { metrics, process })
    }

    /// Asks it to end, as SIGTERM does, and waits for that.
    pub(crate) async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}

/// An operator on threads of its own, which can be ended at any instruction as `kill -9` does.
pub(crate) struct Killable {
    pub(crate) metrics: Metrics,
    runtime: Option<Runtime>,
}

impl Killable {
    pub(crate) fn start_as(cluster: &Cluster, replica: &str) -> Result<Self> {
        let metrics = Metrics::register(&Registry::new())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        // The connection's own tasks must live, and die, with the operator's.
        let inside = runtime.enter();
        let client = Client::try_from(cluster.operator_config())?;
        drop(inside);
        let operation = operation(cluster, client, metrics.clone(), replica)?;
        runtime.spawn(async move { operation.run(&Health::default(), CancellationToken::new()).await });
        Ok(Self { metrics, runtime: Some(runtime) })
    }

    /// Ends it between two instructions.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What the operator of a test is told, without a Gateway.
pub(crate) fn settings(system_namespace: &str) -> Result<Settings> {
    Ok(Settings {
        system_namespace: system_namespace.to_owned(),
        agent_service_account: "leasehold-agent".to_owned(),
        gateway_selector: "app.kubernetes.io/component=agent".parse()?,
        name_server: NameServerSettings {
            service: NAME_SERVER.to_owned(),
            selector: "app.kubernetes.io/component=dns".parse()?,
            cluster_domain: "cluster.local".parse()?,
        },
        public_egress_deny: Vec::new(),
        node_selector: "".parse()?,
        node_taint: None,
        pod_bandwidth: None,
        tiers: [Tier::Strict].into(),
        sandbox_runtime_class: "gvisor".to_owned(),
        exposure: None,
        final_usage_wait: FINAL_USAGE_WAIT,
    })
}

fn operation(cluster: &Cluster, client: Client, metrics: Metrics, replica: &str) -> Result<Operation> {
    Ok(Operation {
        client,
        election: ElectionSettings::new(&cluster.system, &cluster.operator(), replica.to_owned()),
        rate: Rate { per_second: MANY, burst: MANY },
        watch_times: WATCH_TIMES,
        images: ImageBook::new(None),
        metrics,
        settings: settings(&cluster.system)?,
        host_records: None,
        canary: None,
    })
}
