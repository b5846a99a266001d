//! Objects that must be refused in a lease's namespace: each is a harmless object of the lease with one change.

use serde_json::{Value, json};

/// A change to a pod, or a whole object of another kind.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) row: u8,
    pub(crate) name: &'static str,
    pub(crate) change: Change,
}

/// What is changed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Merged into the pod's spec.
    Pod(Value),
    /// Merged into its container.
    Container(Value),
    /// A Service's spec.
    Service(Value),
    /// A Secret's type.
    Secret(Value),
    /// A claim's spec.
    Claim(Value),
}

/// Every kind of volume that reaches past the pod, by the field that asks for it.
fn volumes() -> Vec<(&'static str, Value)> {
    vec![
        ("hostPath", json!({"path": "/"})),
        ("nfs", json!({"server": "nfs.example", "path": "/"})),
        ("iscsi", json!({"targetPortal": "192.0.2.1", "iqn": "iqn.2001-04.com.example:a", "lun": 0})),
        ("glusterfs", json!({"endpoints": "a", "path": "a"})),
        ("rbd", json!({"monitors": ["192.0.2.1"], "image": "a"})),
        ("cephfs", json!({"monitors": ["192.0.2.1"]})),
        ("awsElasticBlockStore", json!({"volumeID": "a"})),
        ("gcePersistentDisk", json!({"pdName": "a"})),
        ("azureDisk", json!({"diskName": "a", "diskURI": "https://a.blob.core.windows.net/b/c.vhd"})),
        ("azureFile", json!({"secretName": "a", "shareName": "a"})),
        ("cinder", json!({"volumeID": "a"})),
        ("fc", json!({"targetWWNs": ["a"], "lun": 0})),
        ("flexVolume", json!({"driver": "example/a"})),
        ("flocker", json!({"datasetName": "a"})),
        ("gitRepo", json!({"repository": "https://git.example/a.git"})),
        ("photonPersistentDisk", json!({"pdID": "a"})),
        ("portworxVolume", json!({"volumeID": "a"})),
        ("quobyte", json!({"registry": "192.0.2.1:1", "volume": "a"})),
        (
            "scaleIO",
            json!({"gateway": "https://a.example", "system": "a", "secretRef": {"name": "a"}, "volumeName": "a"}),
        ),
        ("storageos", json!({"volumeName": "a"})),
        ("vsphereVolume", json!({"volumePath": "a"})),
    ]
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = volumes()
        .into_iter()
        .map(|(kind, source)| {
            let volume = json!({"name": "outside", kind: source});
            Case { row: 1, name: kind, change: Change::Pod(json!({"volumes": [volume]})) }
        })
        .collect();
    let mut pod = |row, name, spec: Value| all.push(Case { row, name, change: Change::Pod(spec) });
    pod(2, "hostNetwork", json!({"hostNetwork": true}));
    pod(2, "hostPID", json!({"hostPID": true}));
    pod(2, "hostIPC", json!({"hostIPC": true}));
    let security = |context: Value| json!({"securityContext": context});
    pod(3, "sysctls", security(json!({"sysctls": [{"name": "kernel.msgmax", "value": "65536"}]})));
    pod(3, "SELinux user of the pod", security(json!({"seLinuxOptions": {"user": "system_u"}})));
    pod(3, "seccomp of the pod", security(json!({"seccompProfile": {"type": "Unconfined"}})));
    pod(3, "AppArmor of the pod", security(json!({"appArmorProfile": {"type": "Unconfined"}})));
    pod(
        35,
        "projected token",
        json!({"volumes": [{
            "name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
        }]}),
    );
    pod(6, "token of the account", json!({"automountServiceAccountToken": true}));
    let mut container =
        |row, name, spec: Value| all.push(Case { row, name, change: Change::Container(spec) });
    container(2, "hostPort", json!({"ports": [{"containerPort": 8080, "hostPort": 18080}]}));
    container(3, "privileged", security(json!({"privileged": true, "allowPrivilegeEscalation": true})));
    container(3, "SYS_ADMIN", security(json!({"capabilities": {"add": ["SYS_ADMIN"]}})));
    container(3, "NET_RAW", security(json!({"capabilities": {"add": ["NET_RAW"]}})));
    container(3, "privilege escalation", security(json!({"allowPrivilegeEscalation": true})));
    container(3, "seccomp of the container", security(json!({"seccompProfile": {"type": "Unconfined"}})));
    container(3, "AppArmor of the container", security(json!({"appArmorProfile": {"type": "Unconfined"}})));
    container(3, "SELinux type of the container", security(json!({"seLinuxOptions": {"type": "spc_t"}})));
    container(
        10,
        "host of a liveness probe",
        json!({"livenessProbe": {"httpGet": {"host": "127.0.0.1", "port": 10248}}}),
    );
    container(
        10,
        "host of a readiness probe",
        json!({"readinessProbe": {"tcpSocket": {"host": "127.0.0.1", "port": 10248}}}),
    );
    container(
        10,
        "host of a startup probe",
        json!({"startupProbe": {"httpGet": {"host": "127.0.0.1", "port": 10248}}}),
    );
    let hook = json!({"httpGet": {"host": "169.254.169.254", "port": 80}});
    container(10, "host of a start hook", json!({"lifecycle": {"postStart": hook}}));
    container(10, "host of a stop hook", json!({"lifecycle": {"preStop": hook}}));
    container(26, "a tag instead of a digest", json!({"image": "registry.example/a:latest"}));
    let mut service = |row, name, spec: Value| all.push(Case { row, name, change: Change::Service(spec) });
    let ports = json!([{"port": 80}]);
    service(13, "node port", json!({"type": "NodePort", "ports": ports}));
    service(14, "load balancer", json!({"type": "LoadBalancer", "ports": ports}));
    service(14, "external address", json!({"externalIPs": ["192.0.2.1"], "ports": ports}));
    service(15, "external name", json!({"type": "ExternalName", "externalName": "metadata.example"}));
    service(12, "selector without the lease", json!({"selector": {"app": "anybody"}, "ports": ports}));
    all.push(Case {
        row: 35,
        name: "Secret that becomes a token",
        change: Change::Secret(json!("kubernetes.io/service-account-token")),
    });
    let claim = |more: Value| {
        let mut spec =
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
        merge(&mut spec, &more);
        Change::Claim(spec)
    };
    all.push(Case {
        row: 30,
        name: "a volume by its name",
        change: claim(json!({"volumeName": "somebody-elses"})),
    });
    let source = json!({"kind": "PersistentVolumeClaim", "name": "somebody-elses"});
    all.push(Case { row: 30, name: "a copy of a claim", change: claim(json!({"dataSource": source})) });
    all
}

/// What is expected of root, which a tier may allow.
pub(crate) fn root() -> Case {
    Case {
        row: 4,
        name: "root",
        change: Change::Pod(json!({"securityContext": {"runAsUser": 0, "runAsNonRoot": false}})),
    }
}

impl Case {
    /// The path of the kind in a namespace, and the object.
    pub(crate) fn object(&self, template: &Value) -> (&'static str, Value) {
        let metadata = json!({"generateName": "isolation-"});
        match &self.change {
            Change::Pod(_) | Change::Container(_) => ("pods", self.pod(template)),
            Change::Service(spec) => (
                "services",
                json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}),
            ),
            Change::Secret(kind) => {
                let metadata = json!({
                    "generateName": "isolation-",
                    "annotations": {"kubernetes.io/service-account.name": "workload"},
                });
                ("secrets", json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind}))
            }
            Change::Claim(spec) => (
                "persistentvolumeclaims",
                json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}),
            ),
        }
    }

    fn pod(&self, template: &Value) -> Value {
        let mut pod = harmless(template);
        match &self.change {
            Change::Pod(spec) => {
                merge(&mut pod["spec"], spec);
                // Root is refused by the container's word before the pod's.
                if self.row == 4 {
                    merge(
                        &mut pod["spec"]["containers"][0]["securityContext"],
                        &json!({"runAsNonRoot": false}),
                    );
                }
            }
            Change::Container(container) => merge(&mut pod["spec"]["containers"][0], container),
            Change::Service(_) | Change::Secret(_) | Change::Claim(_) => {}
        }
        pod
    }
}

/// The pod that the lease's own Deployment would make.
pub(crate) fn harmless(template: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    pod["metadata"]["generateName"] = json!("isolation-");
    pod
}

/// Merges as a JSON merge patch does, but for nulls.
pub(crate) fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_changes_one_thing_of_the_harmless_pod() {
        let template = json!({
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "securityContext": {"privileged": false, "x": 1}}]},
        });
        let case = cases().into_iter().find(|case| case.name == "NET_RAW").unwrap();
        let (kind, pod) = case.object(&template);
        assert_eq!(kind, "pods");
        assert_eq!(
            pod["spec"],
            json!({"containers": [{
                "name": "c",
                "securityContext": {"privileged": false, "x": 1, "capabilities": {"add": ["NET_RAW"]}},
            }]})
        );
        assert_eq!(pod["metadata"], json!({"labels": {"a": "b"}, "generateName": "isolation-"}));
    }
}
