//! The tenants' name server with exactly the rights of the chart: what it answers follows from what the API server tells it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use crd::{LeaseName, labels};
use e2e::cluster::until;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, Service};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use operator::{
    client::Rate,
    dns::{
        metrics::DnsMetrics,
        names::Zones,
        run::{self, NameServer},
        server::Sockets,
        upstream::NoResolvers,
    },
    public_internet::PublicInternet,
};
use serde_json::json;
use telemetry::{CancellationToken, Health, Registry};
use tokio::task::JoinHandle;

use crate::{
    cluster::{Cluster, lease_id},
    running::WATCH_TIMES,
};

/// So many that no question is one too many.
const MANY: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not zero");
/// How long the cluster's own controllers may take.
const PATIENCE: Duration = Duration::from_secs(60);
const NO_SUCH_NAME: u8 = 3;
const REFUSED: u8 = 5;

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), run::Error>>,
}

impl Running {
    async fn start(cluster: &Cluster) -> Result<Self> {
        let sockets = Sockets::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let address = sockets.address()?;
        let server = NameServer {
            client: cluster.as_name_server()?,
            watch_times: WATCH_TIMES,
            sockets,
            upstream: Arc::new(NoResolvers),
            zones: Zones { cluster: "cluster.local".parse()?, private: Vec::new() },
            internet: PublicInternet::without(Vec::new()),
            rate: Rate { per_second: MANY, burst: MANY },
            metrics: DnsMetrics::register(&Registry::new())?,
        };
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        let (checks, token) = (health.clone(), shutdown.clone());
        let task = tokio::spawn(async move { server.run(&checks, token).await });
        until("the name server's readiness", PATIENCE, || async {
            let report = health.ready.report();
            Ok(report.passes().then_some(()))
        })
        .await?;
        Ok(Self { address, shutdown, task })
    }

    /// The code of the answer and the first address in it, asked from an address of the loopback.
    async fn ask(&self, from: Ipv4Addr, name: &str) -> Result<(u8, Option<IpAddr>)> {
        let (server, question) = (self.address, question(name)?);
        tokio::task::spawn_blocking(move || {
            let socket = UdpSocket::bind((from, 0))?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            socket.send_to(&question, server)?;
            let mut buffer = [0; 1500];
            let length = socket.recv(&mut buffer)?;
            let answer = buffer.get(..length).context("an answer has a length")?;
            let flags = *answer.get(3).context("an answer has flags")?;
            let records = *answer.get(7).context("an answer has counts")?;
            // The address is the end of an answer with one record and nothing behind it.
            let address = answer.last_chunk::<4>().filter(|_| records == 1);
            Ok((flags & 0x0f, address.map(|address| IpAddr::V4((*address).into()))))
        })
        .await?
    }

    async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        self.task.await??;
        Ok(())
    }
}

/// A question for addresses of version 4.
fn question(name: &str) -> Result<Vec<u8>> {
    let mut message = vec![0x4c, 0x48, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len())?);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    Ok(message)
}

/// A lease's namespace with a Service, and the address that the API server gave it.
async fn make_lease(cluster: &Cluster, name: &LeaseName) -> Result<IpAddr> {
    let namespace = json!({"metadata": {"name": name.as_str()}});
    cluster.all::<Namespace>().create(&PostParams::default(), &serde_json::from_value(namespace)?).await?;
    let service = json!({
        "metadata": {"name": "db", "labels": labels_of(name)},
        "spec": {"ports": [{"port": 5432}]},
    });
    let services = Api::<Service>::namespaced(cluster.admin.clone(), name.as_str());
    let made = services.create(&PostParams::default(), &serde_json::from_value(service)?).await?;
    let address = made.spec.and_then(|spec| spec.cluster_ip).context("a Service has an address")?;
    Ok(address.parse()?)
}

fn labels_of(name: &LeaseName) -> serde_json::Value {
    json!({labels::MANAGED_BY: labels::MANAGED_BY_VALUE, labels::LEASE: name.label_value()})
}

/// A pod that a kubelet would have reported with this address.
async fn make_pod(cluster: &Cluster, lease: &LeaseName, name: &str, address: Ipv4Addr) -> Result<()> {
    let pods = Api::<Pod>::namespaced(cluster.admin.clone(), lease.as_str());
    let pod = json!({
        "metadata": {"name": name, "labels": labels_of(lease)},
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{"name": "workload", "image": "registry.example/web:1"}],
        },
    });
    until("the namespace's ServiceAccount", PATIENCE, || async {
        match pods.create(&PostParams::default(), &serde_json::from_value(pod.clone())?).await {
            Ok(_) => Ok(Some(())),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await?;
    set_status(&pods, name, "Running", address).await
}

async fn set_status(pods: &Api<Pod>, name: &str, phase: &str, address: Ipv4Addr) -> Result<()> {
    let status = json!({"status": {
        "phase": phase, "podIP": address.to_string(), "podIPs": [{"ip": address.to_string()}],
    }});
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_lease_is_told_its_own_names_as_they_come_and_go() -> Result<()> {
    let seeds = [0x68, 0x69].map(|seed| LeaseName::of(lease_id(seed)));
    Cluster::connect("dns")
        .await?
        .clean_up_after(async |cluster| {
            let result = names_come_and_go(cluster, &seeds).await;
            for lease in &seeds {
                cluster.delete(&cluster.all::<Namespace>(), lease.as_str()).await?;
            }
            result
        })
        .await
}

async fn names_come_and_go(cluster: &Cluster, [one, two]: &[LeaseName; 2]) -> Result<()> {
    cluster.grant_rights().await?;
    let (of_one, of_two) = (Ipv4Addr::new(127, 7, 0, 1), Ipv4Addr::new(127, 7, 0, 2));
    let db_of_one = make_lease(cluster, one).await?;
    make_pod(cluster, one, "web", of_one).await?;
    let running = Running::start(cluster).await?;
    let full = |lease: &LeaseName| format!("db.{lease}.svc.cluster.local");
    ensure!(running.ask(of_one, "db").await? == (0, Some(db_of_one)));
    ensure!(running.ask(of_one, &full(one)).await? == (0, Some(db_of_one)));

    // A lease that comes later.
    let db_of_two = make_lease(cluster, two).await?;
    make_pod(cluster, two, "web", of_two).await?;
    until("the second lease's names", PATIENCE, || async {
        Ok((running.ask(of_two, "db").await? == (0, Some(db_of_two))).then_some(()))
    })
    .await?;
    ensure!(running.ask(of_two, &full(one)).await? == (NO_SUCH_NAME, None));
    ensure!(running.ask(of_one, &full(two)).await? == (NO_SUCH_NAME, None));
    ensure!(running.ask(of_one, "kubernetes.default.svc.cluster.local").await? == (NO_SUCH_NAME, None));

    // A pod that has ended has no address any more, and a Service that is gone has no name.
    let pods = Api::<Pod>::namespaced(cluster.admin.clone(), two.as_str());
    set_status(&pods, "web", "Failed", of_two).await?;
    until("the end of the pod", PATIENCE, || async {
        Ok((running.ask(of_two, "db").await?.0 == REFUSED).then_some(()))
    })
    .await?;
    let services = Api::<Service>::namespaced(cluster.admin.clone(), one.as_str());
    services.delete("db", &DeleteParams::default()).await?;
    until("the end of the name", PATIENCE, || async {
        Ok((running.ask(of_one, "db").await? == (NO_SUCH_NAME, None)).then_some(()))
    })
    .await?;
    running.stop().await?;
    no_other_right(cluster).await
}

/// Reading two kinds is all that it may do.
async fn no_other_right(cluster: &Cluster) -> Result<()> {
    let client = cluster.as_name_server()?;
    ensure!(Api::<Pod>::all(client.clone()).list(&ListParams::default()).await.is_ok());
    let refused = |result: Result<(), kube::Error>| matches!(result, Err(kube::Error::Api(status)) if status.code == 403);
    let secrets = Api::<Secret>::namespaced(client.clone(), &cluster.system);
    ensure!(refused(secrets.list(&ListParams::default()).await.map(drop)));
    let namespaces = Api::<Namespace>::all(client.clone());
    ensure!(refused(namespaces.list(&ListParams::default()).await.map(drop)));
    let services = Api::<Service>::namespaced(client, &cluster.system);
    let service: Service =
        serde_json::from_value(json!({"metadata": {"name": "x"}, "spec": {"ports": [{"port": 1}]}}))?;
    ensure!(refused(services.create(&PostParams::default(), &service).await.map(drop)));
    Ok(())
}
