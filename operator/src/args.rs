//! Command line: reads flags, sets up what belongs to the process, and runs the operation.

mod canary;
mod dns;
mod evidence;
mod meter;
mod process;
mod retention;

use std::{io::Write, num::NonZeroU32};

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use crd::labels;
use jiff::Timestamp;
use kube::Client;
use market::Tier;
use tokio::time::Duration;

use self::{
    canary::{CanaryArgs, CanaryCommand},
    dns::DnsArgs,
    evidence::EvidenceArgs,
    meter::MeterArgs,
    process::ProcessArgs,
};
use crate::{
    client::Rate,
    dns::names::Domain,
    election::{self, ElectionSettings},
    exposure_args::ExposureArgs,
    lease_controller::images::ImageBook,
    metrics::Metrics,
    operation::Operation,
    registry::{
        self,
        address::{AddressRules, AllowedRegistry},
    },
    settings::{Cidr, LabelSet, NameServerSettings, Settings, bandwidth::Bandwidth},
};

/// Provisions and meters leases in this cluster.
#[derive(Debug, Parser)]
#[command(name = "operator", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Provision leases until SIGTERM.
    Run(Box<RunArgs>),
    /// Meter leases until SIGTERM. A process of its own, with rights of its own.
    Meter(Box<MeterArgs>),
    /// Print the evidence behind a statement, from the meter's ledger, as a bundle that `leasehold usage verify` reads.
    Evidence(Box<EvidenceArgs>),
    /// Answer the tenants' questions for names until SIGTERM. A process of its own, with rights of its own.
    Dns(Box<DnsArgs>),
    /// What runs inside the network canary's pods.
    #[command(hide = true, subcommand)]
    Canary(CanaryCommand),
    /// Print the custom resource definitions as YAML.
    #[command(hide = true)]
    Crd,
}

/// Whether images are looked up in their registries before they are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ImageLookup {
    /// Tags become digests, and sizes are checked.
    #[default]
    On,
    /// Only digests are accepted, of any size: for a cluster whose operator cannot reach the registries.
    Off,
}

/// Flags of `operator run`.
#[derive(Debug, Parser)]
struct RunArgs {
    /// Namespace of the ComputeLease objects, of the operator and of the agent.
    #[arg(long, env = "LEASEHOLD_NAMESPACE")]
    namespace: String,
    /// ServiceAccount of the provider agent, which may read pods and logs of leases.
    #[arg(long, default_value = "leasehold-agent")]
    agent_service_account: String,
    /// Labels (key=value, comma separated) of the agent's pods, from which exposed ports may be reached.
    #[arg(long, default_value = "app.kubernetes.io/component=agent")]
    gateway_selector: LabelSet,
    /// Service of the tenants' name server, in the same namespace.
    #[arg(long, default_value = "leasehold-dns")]
    dns_service: String,
    /// Labels of the tenants' name server's pods.
    #[arg(long, default_value = "app.kubernetes.io/component=dns")]
    dns_selector: LabelSet,
    /// Domain of the cluster.
    #[arg(long, default_value = "cluster.local")]
    cluster_domain: Domain,
    /// Blocks that tenants may not reach although they look public: pod, service and node networks, the API server.
    #[arg(long, value_delimiter = ',')]
    public_egress_deny: Vec<Cidr>,
    /// Labels of the nodes that tenants' pods may run on; all nodes if left out.
    #[arg(long, default_value = "")]
    node_selector: LabelSet,
    /// Key of the taint that keeps others off those nodes.
    #[arg(long)]
    node_taint: Option<String>,
    /// Bits per second that a pod may send and receive, such as 500M or 1G. Needs a network plug-in with the bandwidth
    /// capability.
    #[arg(long)]
    pod_bandwidth: Option<Bandwidth>,
    /// Isolation tiers that are sold: strict, userns, sandboxed. One that the cluster cannot run is still refused.
    #[arg(long, value_delimiter = ',', default_value = "strict")]
    tiers: Vec<Tier>,
    /// RuntimeClass of the tier sandboxed.
    #[arg(long, default_value = crd::labels::DEFAULT_SANDBOX_RUNTIME_CLASS)]
    sandbox_runtime_class: String,
    #[command(flatten)]
    exposure: ExposureArgs,
    /// Unique name of this replica in the election; the pod's name if left out.
    #[arg(long, env = "HOSTNAME", default_value = "operator")]
    replica: String,
    /// Calls to the API server per second in the long run.
    #[arg(long, default_value = "500")]
    api_qps: NonZeroU32,
    /// Calls to the API server at once after a quiet time.
    #[arg(long, default_value = "1000")]
    api_burst: NonZeroU32,
    /// Whether images are looked up in their registries before they are accepted: their digest and their size.
    #[arg(long, value_enum, default_value_t)]
    image_lookup: ImageLookup,
    /// Registries, HOST or HOST:PORT, that may be asked although they are not on the public internet; with http:// before it,
    /// without TLS.
    #[arg(long = "allow-registry", value_delimiter = ',')]
    allowed_registries: Vec<AllowedRegistry>,
    /// Seconds that the end of a lease waits for the meter's last word; then what it published last stands.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    final_usage_wait: u64,
    #[command(flatten)]
    canary: CanaryArgs,
    #[command(flatten)]
    process: ProcessArgs,
}

impl Args {
    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<()> {
        let Self { command } = self;
        match command {
            Command::Canary(command) => block_on(command.run()),
            Command::Crd => print_crds(),
            Command::Run(args) => block_on(operate(*args)),
            Command::Meter(args) => block_on(args.run()),
            Command::Evidence(args) => block_on(args.run()),
            Command::Dns(args) => block_on(args.run()),
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("failed to start the runtime")?;
    let ended = runtime.block_on(work);
    // The work is over. Another replica may be at it already, so nothing that is left here may keep the process.
    runtime.shutdown_background();
    ended
}

fn print_crds() -> anyhow::Result<()> {
    for crd in crd::all_crds() {
        let yaml = serde_saphyr::to_string(&crd).context("failed to write the definition as YAML")?;
        writeln!(std::io::stdout(), "---\n{}", yaml.trim_end()).context("failed to write the definition")?;
    }
    Ok(())
}

async fn operate(args: RunArgs) -> anyhow::Result<()> {
    let RunArgs {
        namespace,
        agent_service_account,
        gateway_selector,
        dns_service,
        dns_selector,
        cluster_domain,
        public_egress_deny,
        node_selector,
        node_taint,
        pod_bandwidth,
        tiers,
        sandbox_runtime_class,
        exposure,
        replica,
        api_qps,
        api_burst,
        image_lookup,
        allowed_registries,
        final_usage_wait,
        canary,
        process,
    } = args;
    let process = process.start().await?;
    let host_records = exposure.host_records()?;
    let exposure = exposure.settings();
    let images = match image_lookup {
        ImageLookup::On => Some(
            registry::Registry::new(AddressRules::new(allowed_registries, public_egress_deny.clone()))
                .context("failed to set up the registry client")?,
        ),
        ImageLookup::Off => None,
    };
    let operation = Operation {
        client: Client::try_default().await.context("failed to find a cluster")?,
        election: ElectionSettings::new(
            &namespace,
            labels::OPERATOR_ELECTION,
            election::identity(&replica, Timestamp::now()),
        ),
        rate: Rate { per_second: api_qps, burst: api_burst },
        watch_times: process.watch_times,
        images: ImageBook::new(images),
        metrics: Metrics::register(&process.registry).context("failed to register metrics")?,
        settings: Settings {
            system_namespace: namespace,
            agent_service_account,
            gateway_selector,
            name_server: NameServerSettings { service: dns_service, selector: dns_selector, cluster_domain },
            public_egress_deny,
            node_selector,
            node_taint,
            pod_bandwidth,
            tiers: tiers.into_iter().collect(),
            sandbox_runtime_class,
            exposure,
            final_usage_wait: Duration::from_secs(final_usage_wait),
        },
        host_records,
        canary: canary.settings(),
    };
    operation.run(&process.health, process.shutdown.clone()).await?;
    process.end().await
}
