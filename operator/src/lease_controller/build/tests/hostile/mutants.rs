//! One breach for each rule and field, put into objects that are right.

use super::*;

/// A value that must not be at a place.
pub(super) struct Mutant {
    /// The rule that it breaks.
    pub(super) rule: &'static str,
    /// The tiers in which it is a breach.
    pub(super) tiers: &'static [Tier],
    /// Kind of the object; the first of this kind is changed.
    pub(super) kind: &'static str,
    /// JSON pointer of the place.
    pub(super) at: &'static str,
    value: Value,
}

impl Mutant {
    pub(super) fn apply(&self, objects: &mut [Value]) {
        let object = objects.iter_mut().find(|object| object["kind"] == self.kind).unwrap();
        let (parent, field) = self.at.rsplit_once('/').unwrap();
        // Fields that are left out are made on the way.
        let mut place = object;
        for part in parent.split('/').filter(|part| !part.is_empty()) {
            place = match part.parse::<usize>() {
                Ok(index) => &mut place[index],
                Err(_) => &mut place[&*part.replace("~1", "/")],
            };
        }
        if let Ok(index) = field.parse::<usize>() {
            if place.is_null() {
                *place = json!([]);
            }
            let list = place.as_array_mut().unwrap();
            match list.get_mut(index) {
                Some(entry) => *entry = self.value.clone(),
                None => list.push(self.value.clone()),
            }
        } else if self.value.is_null() {
            let fields = place.as_object_mut().unwrap();
            assert!(fields.remove(&field.replace("~1", "/")).is_some(), "{} has no {}", self.kind, self.at);
        } else {
            place[&*field.replace("~1", "/")] = self.value.clone();
        }
    }
}

const ANY: &[Tier] = &Tier::ALL;
const STRICT: &[Tier] = &[Tier::Strict];
const USERNS: &[Tier] = &[Tier::Userns];
const SANDBOXED: &[Tier] = &[Tier::Sandboxed];

const POD: &str = "/spec/template/spec";

pub(super) fn all() -> Vec<Mutant> {
    let mut all = in_pods();
    all.extend(around_pods());
    all
}

/// Every mutant of the list, in the first Deployment and, where it is not about its volumes, in the first StatefulSet.
fn in_pods() -> Vec<Mutant> {
    let pod = |rule, at: &'static str, value| (rule, ANY, at, value);
    let profile = || json!({"type": "Unconfined"});
    let list: Vec<(&str, &[Tier], &str, Value)> = vec![
        pod("no namespace of the host", "/hostNetwork", json!(true)),
        pod("no namespace of the host", "/hostPID", json!(true)),
        pod("no namespace of the host", "/hostIPC", json!(true)),
        pod("no privileged container", "/containers/0/securityContext/privileged", json!(true)),
        pod("no privileged container", "/containers/0/securityContext/privileged", json!(null)),
        pod("few capabilities", "/containers/0/securityContext/capabilities/add", json!(["SYS_ADMIN"])),
        pod("few capabilities", "/containers/0/securityContext/capabilities/drop", json!(["NET_RAW"])),
        pod("few capabilities", "/containers/0/securityContext/capabilities", json!(null)),
        (
            "few capabilities",
            STRICT,
            "/containers/0/securityContext/capabilities/add",
            json!(["NET_BIND_SERVICE"]),
        ),
        pod("no volume but claims", "/volumes", json!([{"name": "host", "hostPath": {"path": "/"}}])),
        pod("no volume but claims", "/volumes", json!([{"name": "token", "projected": {"sources": []}}])),
        pod(
            "no volume but claims",
            "/containers/0/volumeDevices",
            json!([{"name": "data", "devicePath": "/dev/sda"}]),
        ),
        pod("no port of the host", "/containers/0/ports/0/hostPort", json!(80)),
        pod("no port of the host", "/containers/0/ports/0/hostIP", json!("0.0.0.0")),
        pod("AppArmor is left alone", "/securityContext/appArmorProfile", profile()),
        pod("AppArmor is left alone", "/containers/0/securityContext/appArmorProfile", profile()),
        pod("SELinux is left alone", "/securityContext/seLinuxOptions", json!({"type": "spc_t"})),
        pod("SELinux is left alone", "/containers/0/securityContext/seLinuxOptions", json!({"user": "root"})),
        pod("the default view of /proc", "/containers/0/securityContext/procMount", json!("Unmasked")),
        pod("system calls are filtered", "/securityContext/seccompProfile", profile()),
        pod("system calls are filtered", "/securityContext/seccompProfile", json!(null)),
        pod("system calls are filtered", "/containers/0/securityContext/seccompProfile", profile()),
        pod(
            "no sysctl",
            "/securityContext/sysctls",
            json!([{"name": "kernel.shm_rmid_forced", "value": "0"}]),
        ),
        pod("no host process of Windows", "/securityContext/windowsOptions", json!({"hostProcess": true})),
        pod(
            "no host process of Windows",
            "/containers/0/securityContext/windowsOptions",
            json!({"hostProcess": true}),
        ),
        pod(
            "probes ask the pod itself, by HTTP or TCP",
            "/containers/0/livenessProbe",
            json!({"exec": {"command": ["x"]}}),
        ),
        pod("probes ask the pod itself, by HTTP or TCP", "/containers/0/lifecycle", json!({"preStop": {}})),
        pod(
            "probes ask the pod itself, by HTTP or TCP",
            "/containers/0/readinessProbe",
            json!({"tcpSocket": {"host": "169.254.169.254", "port": 80}}),
        ),
        pod(
            "probes ask the pod itself, by HTTP or TCP",
            "/containers/0/readinessProbe",
            json!({"httpGet": {"host": "10.0.0.1", "port": 80}}),
        ),
        pod(
            "no escalation of privileges",
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
        ),
        pod(
            "no escalation of privileges",
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(null),
        ),
        ("root only behind a wall", STRICT, "/securityContext/runAsNonRoot", json!(false)),
        ("root only behind a wall", STRICT, "/securityContext/runAsUser", json!(0)),
        ("root only behind a wall", STRICT, "/securityContext/fsGroup", json!(0)),
        ("root only behind a wall", STRICT, "/containers/0/securityContext/runAsNonRoot", json!(null)),
        ("root only behind a wall", STRICT, "/containers/0/securityContext/runAsUser", json!(0)),
        ("the wall of the tier", USERNS, "/hostUsers", json!(true)),
        ("the wall of the tier", USERNS, "/hostUsers", json!(null)),
        ("the wall of the tier", USERNS, "/runtimeClassName", json!("runc")),
        ("the wall of the tier", STRICT, "/runtimeClassName", json!("runc")),
        ("the wall of the tier", SANDBOXED, "/runtimeClassName", json!("runc")),
        ("the wall of the tier", SANDBOXED, "/runtimeClassName", json!(null)),
        pod("one container", "/initContainers", json!([{"name": "init"}])),
        pod("one container", "/ephemeralContainers", json!([{"name": "debug"}])),
        pod("one container", "/containers/1", json!({"name": "second"})),
        pod("one container", "/shareProcessNamespace", json!(true)),
        pod("no identity and no token", "/automountServiceAccountToken", json!(true)),
        pod("no identity and no token", "/automountServiceAccountToken", json!(null)),
        pod("no identity and no token", "/serviceAccountName", json!("leasehold-operator")),
        pod("no addresses of services in the environment", "/enableServiceLinks", json!(null)),
        pod("the tenants' priority", "/priorityClassName", json!("system-node-critical")),
        pod("the tenants' priority", "/priority", json!(2_000_001_000)),
        pod("the provider chooses the nodes", "/nodeName", json!("control-plane")),
        pod("the provider chooses the nodes", "/nodeSelector", json!(null)),
        pod("the provider chooses the nodes", "/affinity", json!({})),
        pod("the provider chooses the nodes", "/schedulerName", json!("mine")),
        pod("no taint is tolerated but the tenants'", "/tolerations/1", json!({"operator": "Exists"})),
        pod("the cluster's names", "/dnsPolicy", json!("Default")),
        pod("the cluster's names", "/dnsPolicy", json!("ClusterFirst")),
        pod("the cluster's names", "/dnsConfig/nameservers/0", json!("8.8.8.8")),
        pod("the cluster's names", "/dnsConfig/searches/0", json!("default.svc.cluster.local")),
        pod("the cluster's names", "/hostAliases", json!([{"ip": "10.0.0.1", "hostnames": ["db"]}])),
        pod("the cluster's names", "/hostname", json!("control-plane")),
        pod("the cluster's names", "/subdomain", json!("kubernetes")),
        pod("no foreign credentials for images", "/imagePullSecrets", json!([{"name": "provider"}])),
        pod(
            "the environment comes from the manifest alone",
            "/containers/0/env/0",
            json!({"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}),
        ),
        pod(
            "the environment comes from the manifest alone",
            "/containers/0/env/0/name",
            json!("Kubernetes_Service_Host"),
        ),
        pod(
            "the environment comes from the manifest alone",
            "/containers/0/env/0/name",
            json!("NVIDIA_VISIBLE_DEVICES"),
        ),
        pod(
            "the environment comes from the manifest alone",
            "/containers/0/envFrom/0/prefix",
            json!("KUBERNETES_"),
        ),
        pod(
            "the environment comes from the manifest alone",
            "/containers/0/envFrom/0/secretRef/name",
            json!("others-env"),
        ),
        pod("texts mean what they say", "/containers/0/env/0/value", json!("$$$(HOME)")),
        pod("texts mean what they say", "/containers/0/args/0", json!("$(KUBERNETES_PORT)")),
        pod("texts mean what they say", "/containers/0/command/0", json!("a$(B)")),
        pod("images are pinned", "/containers/0/image", json!("registry.example/web:latest")),
        pod("images are pinned", "/containers/0/image", json!("registry.example/web@sha256:12")),
        pod("the registry is asked each time", "/containers/0/imagePullPolicy", json!("IfNotPresent")),
        pod("what is asked for is what is allowed", "/containers/0/resources/limits/cpu", json!("64")),
        pod(
            "what is asked for is what is allowed",
            "/containers/0/resources/limits/ephemeral-storage",
            json!(null),
        ),
        pod("what is asked for is what is allowed", "/containers/0/resources/requests", json!(null)),
        pod(
            "what is asked for is what is allowed",
            "/containers/0/resources/limits/nvidia.com~1gpu",
            json!("1"),
        ),
        pod(
            "what is asked for is what is allowed",
            "/containers/0/resources/claims",
            json!([{"name": "gpu"}]),
        ),
        pod("it ends soon and nobody is at its terminal", "/terminationGracePeriodSeconds", json!(86_400)),
        pod("it ends soon and nobody is at its terminal", "/containers/0/stdin", json!(true)),
        pod("groups are not taken from the image", "/securityContext/supplementalGroupsPolicy", json!(null)),
        pod("groups are not taken from the image", "/securityContext/supplementalGroups", json!([0])),
        pod("fields are a closed list", "/someNewField", json!({})),
        pod("fields are a closed list", "/securityContext/someNewField", json!({})),
        pod("fields are a closed list", "/containers/0/someNewField", json!({})),
        pod("fields are a closed list", "/containers/0/securityContext/someNewField", json!({})),
    ];
    let of = |kind| {
        let list = list.clone();
        list.into_iter().map(move |(rule, tiers, at, value)| {
            let at = Box::leak(format!("{POD}{at}").into_boxed_str());
            Mutant { rule, tiers, kind, at, value }
        })
    };
    of("Deployment").chain(of("StatefulSet")).collect()
}

fn around_pods() -> Vec<Mutant> {
    let mutant = |rule, kind, at, value| Mutant { rule, tiers: ANY, kind, at, value };
    let mounts = "/spec/template/spec/containers/0/volumeMounts/0";
    let mount = |field: &str, value: Value| Mutant {
        at: Box::leak(format!("{mounts}/{field}").into_boxed_str()),
        ..mutant("mounts are claims at paths of the tenant's own", "StatefulSet", "", value)
    };
    let claim = |field: &str, value: Value| Mutant {
        at: Box::leak(format!("/spec/volumeClaimTemplates/0/spec/{field}").into_boxed_str()),
        ..mutant("claims take new volumes of the lease's class", "StatefulSet", "", value)
    };
    let everyone = "every pod is behind a policy of both directions";
    let pod_security = "the namespace's labels switch Pod Security on";
    let internet = "the internet is what is public, without mail and name servers";
    let quota = "the quota counts every pod and opens no node";
    let route = "routes lead from the Gateway to the lease";
    vec![
        mount("mountPath", json!("/proc/sys")),
        mount("mountPath", json!("/var/run/secrets")),
        mount("mountPath", json!("/data/../etc")),
        mount("subPath", json!("../..")),
        mount("mountPropagation", json!("Bidirectional")),
        mount("name", json!("others")),
        claim("volumeName", json!("pv-of-somebody")),
        claim("dataSource", json!({"kind": "PersistentVolumeClaim", "name": "others"})),
        claim("storageClassName", json!("tape")),
        claim("volumeMode", json!("Block")),
        claim("accessModes", json!(["ReadWriteMany"])),
        mutant(
            "everything is in the lease's namespace",
            "Secret",
            "/metadata/namespace",
            json!("kube-system"),
        ),
        mutant("everything is in the lease's namespace", "Namespace", "/metadata/name", json!("kube-system")),
        mutant("labels are ours", "Deployment", "/metadata/labels/leasehold.dev~1lease", json!("others")),
        mutant("labels are ours", "Deployment", "/spec/template/metadata/labels/k8s-app", json!("kube-dns")),
        mutant(
            "annotations are ours",
            "Namespace",
            "/metadata/annotations/scheduler.alpha.kubernetes.io~1node-selector",
            json!("a=b"),
        ),
        mutant(
            "AppArmor is left alone",
            "Deployment",
            "/spec/template/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1workload",
            json!("unconfined"),
        ),
        mutant("names are labels and no two objects share one", "Service", "/metadata/name", json!("../web")),
        mutant("names are labels and no two objects share one", "Deployment", "/metadata/name", json!("")),
        mutant(
            pod_security,
            "Namespace",
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            json!("privileged"),
        ),
        mutant(pod_security, "Namespace", "/metadata/labels/leasehold.dev~1tier", json!(null)),
        mutant("services stay inside", "Service", "/spec/type", json!("NodePort")),
        mutant("services stay inside", "Service", "/spec/externalIPs", json!(["10.0.0.1"])),
        mutant("services stay inside", "Service", "/spec/ports/0/nodePort", json!(30_000)),
        mutant("services stay inside", "Service", "/spec/selector", json!({"k8s-app": "kube-dns"})),
        mutant("identities have no token", "ServiceAccount", "/automountServiceAccountToken", json!(true)),
        mutant(
            "the agent may read, and nobody else anything",
            "RoleBinding",
            "/roleRef/name",
            json!("cluster-admin"),
        ),
        mutant(
            "the agent may read, and nobody else anything",
            "RoleBinding",
            "/subjects/1",
            json!({"kind": "Group", "name": "system:serviceaccounts"}),
        ),
        mutant(everyone, "NetworkPolicy", "/spec/podSelector", json!({"matchLabels": {"a": "b"}})),
        mutant(everyone, "NetworkPolicy", "/spec/policyTypes", json!(["Ingress"])),
        mutant(everyone, "NetworkPolicy", "/spec/ingress/0", json!({})),
        mutant(
            "peers are named",
            "NetworkPolicy",
            "/spec/ingress/0/from/0",
            json!({"namespaceSelector": {}}),
        ),
        mutant(
            "peers are named",
            "NetworkPolicy",
            "/spec/egress/0/to/0",
            json!({"namespaceSelector": {}, "podSelector": {}}),
        ),
        mutant(internet, "NetworkPolicy", "/spec/egress/2/to/0/ipBlock/except", json!([])),
        mutant(
            internet,
            "NetworkPolicy",
            "/spec/egress/2/ports",
            json!([{"protocol": "TCP", "port": 1, "endPort": 65535}]),
        ),
        mutant(internet, "NetworkPolicy", "/spec/egress/2/ports/0", json!({"protocol": "UDP", "port": 53})),
        mutant(internet, "NetworkPolicy", "/spec/egress/2/ports/0", json!({"protocol": "TCP", "port": 853})),
        mutant(
            internet,
            "NetworkPolicy",
            "/spec/ingress/0/from/0",
            json!({"ipBlock": {"cidr": "0.0.0.0/0"}}),
        ),
        mutant(quota, "ResourceQuota", "/spec/hard/pods", json!("1000")),
        mutant(quota, "ResourceQuota", "/spec/hard/services.nodeports", json!("1")),
        mutant(quota, "ResourceQuota", "/spec/hard/count~1jobs.batch", json!(null)),
        mutant(route, "HTTPRoute", "/spec/hostnames/0", json!("bank.example")),
        mutant(route, "HTTPRoute", "/spec/rules/0/backendRefs/0/namespace", json!("kube-system")),
        mutant(route, "HTTPRoute", "/spec/parentRefs/0/namespace", json!("others")),
        mutant("fields are a closed list", "Secret", "/stringData", json!({})),
        mutant("fields are a closed list", "Service", "/metadata/finalizers", json!(["x"])),
    ]
}
