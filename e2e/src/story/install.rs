//! The provider: installs the chart and joins the market.

use std::time::Duration;

use anyhow::{Context, Result};
use chain::{At, ProviderStatus};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams};
use market::Amount;
use serde_json::{Value, json};

use crate::leasehold::text;
use crate::story::public::Street;
use crate::world::{World, image};
use crate::{chart, cluster};

/// Port of the gateway on the cluster's nodes.
const GATEWAY_NODE_PORT: u16 = 30443;
/// The provider's bond, base units of the test token.
const BOND: Amount = Amount(100_000_000);
/// Secret with the hot key, and its key.
const OPERATOR_KEY: (&str, &str) = ("leasehold-operator-key", "operator.key");
/// How long the agent may take to see its registration.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates the system namespace with the hot key's Secret and installs the chart; its pods run when this returns.
///
/// # Errors
/// With helm's words, or when the API server refuses.
pub(super) async fn install_chart(world: &World) -> Result<()> {
    create_key_secret(world).await?;
    let values = values(world)?;
    world.helm.install(&world.args.chart, &world.args.values, &values, &world.args.out).await
}

/// Runs `leasehold provider register` with the cold key, and checks the registry.
///
/// # Errors
/// When the command fails or the registry does not show the bond and the hot key.
pub(super) async fn register_provider(world: &World) -> Result<()> {
    let uri = gateway_uri(world).await?;
    let operator = world.keys.operator.address.to_string();
    let bond = BOND.to_decimal(world.chain.deployment().token_decimals);
    world
        .provider
        .run(&["provider", "register", "--operator", &operator, "--bond", &bond, "--uri", &uri, "--yes"])
        .await?;
    let record = world.chain.provider_of(world.keys.owner.address, At::Latest).await?;
    anyhow::ensure!(
        record.status == ProviderStatus::Active,
        "the registry shows {:?}, not Active",
        record.status
    );
    anyhow::ensure!(
        record.operator == world.keys.operator.address,
        "the registry names another hot key: {}",
        record.operator
    );
    anyhow::ensure!(record.bond == BOND, "the registry holds a bond of {}", record.bond);
    Ok(())
}

/// Waits until the agent's pod is ready: it has seen the registration and the cluster.
///
/// # Errors
/// When it does not become ready in time.
pub(super) async fn await_agent_ready(world: &World) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(world.cluster.clone(), chart::NAMESPACE);
    cluster::until("the agent's readiness", PATIENCE, || async {
        let list = deployments.list(&kube::api::ListParams::default()).await?;
        let ready = list.iter().all(|deployment| {
            deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0) > 0
        });
        Ok((ready && !list.items.is_empty()).then_some(()))
    })
    .await
}

async fn create_key_secret(world: &World) -> Result<()> {
    let manager = PatchParams::apply("leasehold-demo").force();
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": chart::NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    Api::<Namespace>::all(world.cluster.clone())
        .patch(chart::NAMESPACE, &manager, &Patch::Apply(namespace))
        .await?;
    let key = std::fs::read_to_string(&world.keys.operator.file).context("failed to read the hot key")?;
    let (name, field) = OPERATOR_KEY;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {field: key.trim()},
    });
    Api::<Secret>::namespaced(world.cluster.clone(), chart::NAMESPACE)
        .patch(name, &manager, &Patch::Apply(secret))
        .await?;
    Ok(())
}

/// What a data-centre owner writes into the chart's values.
fn values(world: &World) -> Result<Value> {
    let (secret_name, secret_key) = OPERATOR_KEY;
    let exposure = world.street.as_ref().map_or_else(|| json!({}), Street::values);
    Ok(json!({
        "admission": chart::admission(),
        "operator": {
            "image": image(&world.images, "operator")?,
            "exposure": exposure,
            "images": {"allowedRegistries": [chart::plain_registry(&image(&world.images, "operator")?)]},
        },
        "meter": {"scrapeSeconds": 10, "publishSeconds": 10},
        "agent": {
            "image": image(&world.images, "provider-agent")?,
            "operatorKey": {"secretName": secret_name, "secretKey": secret_key},
            "gateway": {"service": {"type": "NodePort", "nodePort": GATEWAY_NODE_PORT}},
            "config": {
                "chain": {"rpc_url": world.args.rpc_url, "deployment": deployment_table(world), "poll_interval": "1s"},
                "provider": {"owner": world.keys.owner.address},
                "gateway": {"public_url": public_url(world)},
                "pricing": {
                    "lease_hour": "0.002",
                    "cpu_core_hour": "0.01",
                    "memory_gib_hour": "0.005",
                    "storage_gib_month": "0.10",
                    "egress_gib": "0.01",
                },
                "terms": {"min_bond": "10", "max_slash": "1", "no_show_penalty": "0.1", "max_duration": "1d", "min_prepaid": "10m"},
                "settlement": {"interval": "30s"},
                "resync": {"interval": "15s"},
            },
        },
    }))
}

/// The deployment record with the names that the agent's configuration uses.
fn deployment_table(world: &World) -> Value {
    let deployment = world.chain.deployment();
    json!({
        "chain_id": deployment.chain_id,
        "market": deployment.market,
        "registry": deployment.registry,
        "token": deployment.token,
        "token_decimals": deployment.token_decimals,
        "deployed_block": deployment.deployed_block,
    })
}

fn public_url(world: &World) -> String {
    format!("https://{}", std::net::SocketAddr::new(world.args.node_address, GATEWAY_NODE_PORT))
}

/// The gateway's address with the pin of its self-made certificate, as `provider-agent identity` prints it.
async fn gateway_uri(world: &World) -> Result<String> {
    let output = tokio::process::Command::new(&world.args.provider_agent)
        .arg("identity")
        .arg("--key-file")
        .arg(&world.keys.operator.file)
        .args(["-o", "json"])
        .output()
        .await
        .context("failed to run provider-agent identity")?;
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "provider-agent identity failed: {problem}");
    let told: Value =
        serde_json::from_slice(&output.stdout).context("provider-agent identity printed no JSON")?;
    Ok(format!("{}#pin-sha256={}", public_url(world), text(&told, "/pinSha256")?))
}
