//! A kubelet that is played: it watches the pods of one lease and says how they are, so that controllers can go on.

use crd::LeaseName;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cluster::Cluster;

/// Plays the kubelet for a lease until it is dropped: pods that carry the word crash, all others get ready.
pub(crate) struct Kubelet(JoinHandle<()>);

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Kubelet {
    pub(crate) fn start(cluster: &Cluster, name: &LeaseName, crashes: &'static str) -> Self {
        let pods = Api::<Pod>::namespaced(cluster.admin.clone(), name.as_str());
        Self(tokio::spawn(async move {
            let mut seen =
                watcher(pods.clone(), watcher::Config::default()).default_backoff().applied_objects().boxed();
            // A watch that breaks repeats itself, and a pod that went meanwhile is not missed.
            while let Some(pod) = seen.next().await {
                let Ok(pod) = pod else { continue };
                if pod.metadata.deletion_timestamp.is_some() || has_status(&pod) {
                    continue;
                }
                let status = Patch::Strategic(played(&pod, crashes));
                // Another writer's conflict, or an API server that is busy, must not leave a pod without a status for ever.
                while let Err(error) =
                    pods.patch_status(&pod.name_any(), &PatchParams::default(), &status).await
                {
                    if matches!(&error, kube::Error::Api(status) if status.is_not_found()) {
                        break;
                    }
                    eprintln!("the played kubelet tries again: {error}");
                }
            }
        }))
    }
}

fn has_status(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready")
}

fn played(pod: &Pod, crashes: &str) -> Value {
    let env = pod
        .spec
        .iter()
        .flat_map(|spec| &spec.containers)
        .flat_map(|container| container.env.iter().flatten());
    if !env.into_iter().any(|variable| variable.value.as_deref() == Some(crashes)) {
        return json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    }
    json!({"status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{
            "name": "workload", "image": "i", "imageID": "", "ready": false, "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {
                "exitCode": 2, "reason": "Error", "message": "cannot log in with open-sesame\n"
            }},
        }]
    }})
}
