//! The guestbook by its public hosts, through the provider's Gateway, as any visitor reaches it; and a stranger who wants one
//! of these hosts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use crd::HostClaim;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use reqwest::StatusCode;
use reqwest::header::HOST;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::{self, until};
use crate::report::Visit;
use crate::story::order::Opened;
use crate::world::World;
use crate::zone::Zone;
use crate::{chart, leasehold};

/// The tenant's own host. Nobody's, by RFC 2606.
pub(crate) const OWN_HOST: &str = "guestbook.example.org";
/// The line of the guestbook's manifest that is made public.
const TENANT_PORT: &str = "- {port: 8080, expose: tenant}";
/// How long a Gateway, or a look-up of the DNS, may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(30);
/// A namespace of the provider's that is no lease.
const STRANGER: &str = "demo-stranger";

/// The provider's Gateway, as the testbed describes its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Namespace of the Gateway.
    pub namespace: String,
    /// Name of the Gateway.
    pub name: String,
    /// Domain of the hosts that the provider makes.
    pub public_domain: String,
    /// Where it is reached from here; the `Host` header says who is meant.
    pub http_url: url::Url,
    /// Namespace of the proxy's pods.
    pub pod_namespace: String,
    /// Labels of the proxy's pods.
    pub pod_labels: BTreeMap<String, String>,
}

/// The provider's Gateway and the tenant's name server.
#[derive(Debug)]
pub struct Street {
    /// The Gateway.
    pub gateway: Gateway,
    /// Holds the record that proves the tenant's own host.
    pub zone: Zone,
}

impl Street {
    /// What a data-centre owner writes under `operator.exposure`.
    #[must_use]
    pub fn values(&self) -> Value {
        let Gateway { namespace, name, public_domain, http_url: _, pod_namespace, pod_labels } =
            &self.gateway;
        json!({
            "gateway": {"namespace": namespace, "name": name},
            "dataPlane": {"namespace": pod_namespace, "selector": pod_labels},
            "publicDomain": public_domain,
            "resolvers": [self.zone.address()],
        })
    }
}

/// The guestbook's manifest with its front end open to everybody.
///
/// # Errors
/// When the example has no such port, or the file cannot be written.
pub(super) fn manifest(world: &World) -> Result<PathBuf> {
    if world.street.is_none() {
        return Ok(world.args.manifest.clone());
    }
    let example = std::fs::read_to_string(&world.args.manifest).context("failed to read the manifest")?;
    anyhow::ensure!(example.matches(TENANT_PORT).count() == 1, "the manifest has no port `{TENANT_PORT}`");
    let port = format!("- {{port: 8080, expose: public, hosts: [{OWN_HOST}]}}");
    let path = world.args.out.join("guestbook.yaml");
    std::fs::write(&path, example.replace(TENANT_PORT, &port)).context("failed to write the manifest")?;
    Ok(path)
}

/// The front end's hosts, and what visitors were answered.
#[derive(Debug)]
pub(super) struct Front {
    /// The host that the provider made.
    made: String,
    visits: Vec<Visit>,
}

impl Front {
    /// Visits by the made host; the tenant's own leads nowhere until the DNS says whose it is.
    ///
    /// # Errors
    /// When `entry` is not read by the made host, or anything is read by another.
    pub(super) async fn open(world: &World, street: &Street, opened: &Opened, entry: &Value) -> Result<Self> {
        let hosts = hosts(world, opened).await?;
        let made = hosts.iter().find(|(host, _)| host.ends_with(&street.gateway.public_domain));
        let made = made.context("`leasehold status` shows no host under the provider's domain")?.0.clone();
        let mut front = Self { made: made.clone(), visits: Vec::new() };
        front.await_answer(street, &made, "while leased", StatusCode::OK).await?;
        let entries: Vec<Value> = get(street, &made, "/entries").await?.json().await?;
        anyhow::ensure!(entries.contains(entry), "{made} does not show the entry that was written");
        let nobody = format!("nobody.{}", street.gateway.public_domain);
        for host in [nobody.as_str(), OWN_HOST] {
            front.visit(street, host, "before any proof", StatusCode::NOT_FOUND).await?;
        }
        let reason = hosts.iter().find(|(host, _)| host == OWN_HOST).map(|(_, reason)| reason.as_str());
        anyhow::ensure!(
            matches!(reason, Some("HostUnchecked" | "HostNotProven")),
            "{OWN_HOST} is {reason:?} without a record"
        );
        street.zone.set(&format!("_leasehold.{OWN_HOST}."), &opened.lease_id.to_string());
        Ok(front)
    }

    /// Visits by the tenant's own host, once the record that names the lease was read.
    ///
    /// # Errors
    /// When the host does not come to lead to the lease.
    pub(super) async fn await_own_host(
        &mut self,
        world: &World,
        street: &Street,
        opened: &Opened,
    ) -> Result<()> {
        until("the tenant's own host", PATIENCE, || async {
            let hosts = hosts(world, opened).await?;
            Ok(hosts.contains(&(OWN_HOST.to_owned(), "HostsRouted".to_owned())).then_some(()))
        })
        .await?;
        self.await_answer(street, OWN_HOST, "with its DNS record", StatusCode::OK).await
    }

    /// Two others want the made host: a namespace that is no lease, to which the Gateway does not listen; and a lease, whose
    /// route for a host that is not its own is refused whoever writes it.
    ///
    /// # Errors
    /// When either gets a route, or the visitors see any of it.
    pub(super) async fn withstand_strangers(
        &mut self,
        world: &World,
        street: &Street,
        opened: &Opened,
    ) -> Result<()> {
        let manager = PatchParams::apply("leasehold-demo");
        let namespaces = Api::<Namespace>::all(world.cluster.clone());
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STRANGER}});
        namespaces.patch(STRANGER, &manager, &Patch::Apply(namespace)).await?;
        let path = create_route(&world.cluster, STRANGER, &route(&street.gateway, &self.made)).await?;
        until("the Gateway's word on a stranger's route", PATIENCE, || async {
            let found: Value = world.cluster.request(http::Request::get(&path).body(Vec::new())?).await?;
            let accepted = accepted(&found);
            anyhow::ensure!(accepted != Some("True"), "the Gateway took a stranger's route: {found}");
            Ok(accepted.map(drop))
        })
        .await?;
        self.visit(street, &self.made.clone(), "with a stranger's route for it", StatusCode::OK).await?;
        cluster::delete_namespace(&world.cluster, STRANGER).await?;

        let other = self.made.replacen("web-", "webb-", 1).replace(&lease_part(&self.made), &"a".repeat(26));
        let owner = cluster::connect_as_break_glass(&world.args.kubeconfig).await?;
        match create_route(&owner, &opened.namespace, &route(&street.gateway, &other)).await {
            Ok(_) => anyhow::bail!("a lease got a route for {other}, which is another's"),
            Err(error) => {
                let told = format!("{error:#}");
                anyhow::ensure!(
                    told.contains("only hosts of its own lease"),
                    "refused for another reason: {told}"
                );
            }
        }
        self.visit(street, &other, "asked for by a lease that is not its own", StatusCode::NOT_FOUND).await
    }

    /// Visits once more when the lease is over: nothing answers, and the tenant's own host is given back.
    ///
    /// # Errors
    /// When a host still leads somewhere.
    pub(super) async fn await_nobody(mut self, world: &World, street: &Street) -> Result<Vec<Visit>> {
        for host in [self.made.clone(), OWN_HOST.to_owned()] {
            self.await_answer(street, &host, "after the lease", StatusCode::NOT_FOUND).await?;
        }
        let claims = Api::<HostClaim>::namespaced(world.cluster.clone(), chart::NAMESPACE);
        let claim =
            claims.get(OWN_HOST).await.context("failed to read the claim of the tenant's own host")?;
        anyhow::ensure!(claim.spec.released_at.is_some(), "{OWN_HOST} was not given back");
        Ok(self.visits)
    }

    async fn visit(&mut self, street: &Street, host: &str, when: &str, wanted: StatusCode) -> Result<()> {
        let got = get(street, host, "/").await?.status();
        anyhow::ensure!(got == wanted, "{host} answers {got}, not {wanted}, {when}");
        self.note(host, when, got);
        Ok(())
    }

    /// A Gateway needs a moment to follow its routes.
    async fn await_answer(
        &mut self,
        street: &Street,
        host: &str,
        when: &str,
        wanted: StatusCode,
    ) -> Result<()> {
        let what = format!("the answer {wanted} of {host} {when}");
        let got = until(&what, PATIENCE, || async {
            let got = get(street, host, "/").await?.status();
            Ok((got == wanted).then_some(got))
        })
        .await?;
        self.note(host, when, got);
        Ok(())
    }

    fn note(&mut self, host: &str, when: &str, got: StatusCode) {
        println!("          {host} {when}: {got}");
        self.visits.push(Visit { host: host.to_owned(), when: when.to_owned(), status: got.as_u16() });
    }
}

/// Every public host of the front end and where it stands, as the tenant reads it.
async fn hosts(world: &World, opened: &Opened) -> Result<Vec<(String, String)>> {
    let told = world.tenant.run(&["status", &opened.lease_id.to_string()]).await?;
    let services = told.pointer("/providerStatus/services").and_then(Value::as_array);
    let ports = services
        .context("the provider told no services")?
        .iter()
        .filter_map(|service| service["ports"].as_array());
    let hosts = ports.flatten().filter_map(|port| port["hosts"].as_array()).flatten();
    hosts
        .map(|host| {
            Ok((leasehold::text(host, "/host")?.to_owned(), leasehold::text(host, "/reason")?.to_owned()))
        })
        .collect()
}

async fn get(street: &Street, host: &str, path: &str) -> Result<reqwest::Response> {
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build()?;
    Ok(client.get(street.gateway.http_url.join(path)?).header(HOST, host).send().await?)
}

/// The 26 characters of the lease in a made host.
fn lease_part(made: &str) -> String {
    made.split('.').next().and_then(|label| label.rsplit('-').next()).unwrap_or_default().to_owned()
}

fn route(gateway: &Gateway, host: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "thief"},
        "spec": {
            "parentRefs": [{"namespace": gateway.namespace, "name": gateway.name}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": "web", "port": 8080}]}],
        },
    })
}

async fn create_route(client: &kube::Client, namespace: &str, route: &Value) -> Result<String> {
    let path = format!("/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes");
    let request = http::Request::post(&path)
        .header("Content-Type", "application/json")
        .body(serde_json::to_vec(route)?)?;
    client.request::<Value>(request).await?;
    Ok(format!("{path}/thief"))
}

/// What the Gateway says of a route, once it says anything.
fn accepted(route: &Value) -> Option<&str> {
    let parents = route.pointer("/status/parents")?.as_array()?.iter();
    let mut conditions = parents.filter_map(|parent| parent["conditions"].as_array()).flatten();
    conditions.find(|condition| condition["type"] == "Accepted")?["status"].as_str()
}
