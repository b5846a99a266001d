//! A kubelet that is played: it watches the pods of one lease and says how they are, so that controllers can go on.

use crd::LeaseName;
use futures::StreamExt;
use k8s_openapi::{
    api::core::v1::Pod,
    jiff::{SignedDuration, Timestamp},
};
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
        Self::play(cluster, name, move |pod| if carries(pod, crashes) { crashing() } else { ready() })
    }

    /// Pods that carry the word are evicted, as if that had been so long ago; all others get ready.
    pub(crate) fn evicting(
        cluster: &Cluster,
        name: &LeaseName,
        evicts: &'static str,
        ago: SignedDuration,
    ) -> Self {
        Self::play(cluster, name, move |pod| if carries(pod, evicts) { evicted(ago) } else { ready() })
    }

    fn play(cluster: &Cluster, name: &LeaseName, part: impl Fn(&Pod) -> Value + Send + 'static) -> Self {
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
                let status = Patch::Strategic(part(&pod));
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

fn carries(pod: &Pod, word: &str) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut env = containers.flat_map(|container| container.env.iter().flatten());
    env.any(|variable| variable.value.as_deref() == Some(word))
}

fn ready() -> Value {
    json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn evicted(ago: SignedDuration) -> Value {
    let then = (Timestamp::now() - ago).to_string();
    json!({"status": {
        "phase": "Failed", "reason": "Evicted",
        "message": "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": then}],
    }})
}

fn crashing() -> Value {
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
