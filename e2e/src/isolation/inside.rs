//! Rows that are tried from inside of containers, and the containers without controls in which they must be open.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::cluster::until;
use isolation_probe::args::DONE;
use isolation_probe::observation::Observation;
use isolation_probe::targets::Targets;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use serde_json::{Value, json};

use crate::lease::Lease;
use crate::place::{BARE, Place};

/// Silent addresses take their time, and so does a sandbox.
const PATIENCE: Duration = Duration::from_secs(150);
const PODS: &str = "/api/v1/namespaces/isolation-bare/pods";

/// What the probe of a lease saw.
pub(crate) async fn of_lease(place: &Place, lease: &Lease) -> Result<Vec<Observation>> {
    let pods = lease.pods(place, "probe").await?;
    let pod = pods.first().and_then(|pod| pod.metadata.name.clone()).context("the probe has no pod")?;
    of_pod(place, lease.namespace(), &pod).await
}

/// What a probe saw, from the lines that it wrote.
pub(crate) async fn of_pod(place: &Place, namespace: &str, pod: &str) -> Result<Vec<Observation>> {
    let pods = Api::<Pod>::namespaced(place.admin.clone(), namespace);
    let log = until(&format!("the probe's last line in {namespace}/{pod}"), PATIENCE, || async {
        // Before the container runs there is no log, and that is no error.
        let log = match pods.logs(pod, &LogParams::default()).await {
            Ok(log) => log,
            Err(kube::Error::Api(status)) if status.code == 400 || status.code == 404 => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(log.lines().any(|line| line == DONE).then_some(log))
    })
    .await?;
    parse(&log)
}

/// Reads a probe's lines.
pub(crate) fn parse(log: &str) -> Result<Vec<Observation>> {
    let lines = log.lines().take_while(|line| *line != DONE);
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("a probe wrote: {line}"))).collect()
}

/// Makes the namespace without controls: a pod that serves, a Service with a node port, and an add-on that may do anything.
pub(crate) async fn prepare_bare(place: &Place) -> Result<()> {
    place.namespace(BARE, json!({"pod-security.kubernetes.io/enforce": "privileged"})).await?;
    let accounts = format!("/api/v1/namespaces/{BARE}/serviceaccounts");
    for name in ["addon", "workload"] {
        place
            .apply(
                &accounts,
                &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
            )
            .await?;
    }
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "isolation-addon"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "addon", "namespace": BARE}],
    });
    place.apply("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "peer"},
        "spec": {"type": "NodePort", "selector": {"app": "peer"}, "ports": [{"port": 8080}]},
    });
    place.apply(&format!("/api/v1/namespaces/{BARE}/services"), &service).await?;
    let container = json!({"name": "peer", "image": place.probe_image, "args": ["serve"]});
    let peer = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "peer", "labels": {"app": "peer"}},
        "spec": {"automountServiceAccountToken": false, "containers": [container]},
    });
    place.apply(PODS, &peer).await?;
    let pods = Api::<Pod>::namespaced(place.admin.clone(), BARE);
    until("the pod without controls", PATIENCE, || async {
        Ok(pods.get("peer").await?.status.and_then(|status| status.pod_ip).map(drop))
    })
    .await
}

/// Starts the two probes without controls: one without policies alone, one without anything that confines a container.
pub(crate) async fn start_mutants(place: &Place, template: &Value, targets: &Targets) -> Result<()> {
    let targets = serde_json::to_string(targets)?;
    let mut without_policies = template["spec"].clone();
    aim(&mut without_policies, &targets);
    let mut without_confinement = without_policies.clone();
    for field in ["securityContext", "hostUsers", "runtimeClassName", "dnsConfig", "dnsPolicy"] {
        if let Some(spec) = without_confinement.as_object_mut() {
            spec.remove(field);
        }
    }
    // The name server of the cluster is the absence of the lease's own.
    for field in ["dnsConfig", "dnsPolicy"] {
        if let Some(spec) = without_policies.as_object_mut() {
            spec.remove(field);
        }
    }
    without_confinement["automountServiceAccountToken"] = json!(true);
    let container = &mut without_confinement["containers"][0];
    container["securityContext"] = json!({
        "runAsUser": 0, "allowPrivilegeEscalation": true, "seccompProfile": {"type": "Unconfined"},
    });
    // A share, so that it gets processor time on a busy machine, and no limit.
    container["resources"] = json!({"requests": {"cpu": "200m"}});
    for (name, spec) in [("without-policies", without_policies), ("without-confinement", without_confinement)]
    {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        place.apply(PODS, &pod).await?;
    }
    Ok(())
}

fn aim(spec: &mut Value, targets: &str) {
    spec["restartPolicy"] = json!("Always");
    // A `$(` would be replaced by the kubelet; there is none in JSON of addresses and names.
    spec["containers"][0]["env"] = json!([{"name": "ISOLATION_TARGETS", "value": targets}]);
}

/// What the two saw; of each row, only what the missing control explains.
pub(crate) async fn mutants(place: &Place) -> Result<Vec<Observation>> {
    let without_policies = of_pod(place, BARE, "without-policies").await?;
    let without_confinement = of_pod(place, BARE, "without-confinement").await?;
    let policies = without_policies.into_iter().filter(|seen| [7, 8, 9, 11, 18, 19, 27].contains(&seen.row));
    let confinement = without_confinement.into_iter().filter(|seen| [3, 4, 5, 6, 20].contains(&seen.row));
    Ok(policies.chain(confinement).collect())
}

/// The probe as a plain process of this machine, which no pod's limit holds.
pub(crate) async fn outside_of_pods(place: &Place, targets: &Targets) -> Result<Vec<Observation>> {
    let output = tokio::process::Command::new(&place.args.probe)
        .args(["run", "--rows", "22", "--targets", &serde_json::to_string(targets)?])
        .output()
        .await
        .context("failed to run the probe")?;
    anyhow::ensure!(output.status.success(), "the probe ended with {}", output.status);
    parse(&String::from_utf8(output.stdout)?)
}
