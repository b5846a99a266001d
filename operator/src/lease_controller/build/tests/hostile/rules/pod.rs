//! Rules of a pod: Pod Security's baseline and restricted, each rule of them, and ours.

use super::*;

pub(super) const RULES: [PodRule; 31] = [
    // Baseline.
    ("no namespace of the host", |pod| {
        ["hostNetwork", "hostPID", "hostIPC"].iter().all(|field| pod.spec[field] != true)
    }),
    ("no privileged container", |pod| pod.container["securityContext"]["privileged"] == false),
    ("few capabilities", |pod| {
        let capabilities = &pod.container["securityContext"]["capabilities"];
        let kept = match pod.case.lease.tier {
            Tier::Strict => json!([]),
            Tier::Userns | Tier::Sandboxed => {
                json!(["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"])
            }
        };
        let added = capabilities.get("add").cloned().unwrap_or(json!([]));
        capabilities["drop"] == json!(["ALL"]) && added == kept
    }),
    ("no volume but claims", |pod| lacks(pod.spec, &["volumes", "containers[].volumeDevices"])),
    ("no port of the host", |pod| {
        lacks(pod.spec, &["containers[].ports[].hostPort", "containers[].ports[].hostIP"])
    }),
    ("AppArmor is left alone", |pod| {
        let annotations = keys(&pod.workload["spec"]["template"]["metadata"]["annotations"]);
        lacks(pod.spec, &["securityContext.appArmorProfile", "containers[].securityContext.appArmorProfile"])
            && !annotations.iter().any(|key| key.contains("apparmor"))
    }),
    ("SELinux is left alone", |pod| {
        lacks(pod.spec, &["securityContext.seLinuxOptions", "containers[].securityContext.seLinuxOptions"])
    }),
    ("the default view of /proc", |pod| lacks(pod.spec, &["containers[].securityContext.procMount"])),
    ("system calls are filtered", |pod| {
        let default = json!({"type": "RuntimeDefault"});
        pod.spec["securityContext"]["seccompProfile"] == default
            && pod.container["securityContext"]["seccompProfile"] == default
    }),
    ("no sysctl", |pod| lacks(pod.spec, &["securityContext.sysctls"])),
    ("no host process of Windows", |pod| {
        lacks(
            pod.spec,
            &["os", "securityContext.windowsOptions", "containers[].securityContext.windowsOptions"],
        )
    }),
    ("probes ask the pod itself, by HTTP or TCP", |pod| {
        let probe = &pod.container["readinessProbe"];
        let kinds =
            ["exec", "grpc", "httpGet.host", "httpGet.httpHeaders", "httpGet.scheme", "tcpSocket.host"];
        lacks(probe, &kinds) && lacks(pod.container, &["livenessProbe", "startupProbe", "lifecycle"])
    }),
    // Restricted.
    ("no escalation of privileges", |pod| {
        pod.container["securityContext"]["allowPrivilegeEscalation"] == false
    }),
    ("root only behind a wall", |pod| {
        let contexts = [&pod.spec["securityContext"], &pod.container["securityContext"]];
        pod.case.lease.tier != Tier::Strict
            || contexts.iter().all(|context| {
                context["runAsNonRoot"] == true
                    && ["runAsUser", "runAsGroup", "fsGroup"].iter().all(|id| context[id] != 0)
            })
    }),
    // Ours.
    ("the wall of the tier", |pod| {
        let (users, class) = (pod.spec.get("hostUsers"), pod.spec.get("runtimeClassName"));
        match pod.case.lease.tier {
            Tier::Strict => users.is_none() && class.is_none(),
            Tier::Userns => users == Some(&json!(false)) && class.is_none(),
            Tier::Sandboxed => users.is_none() && class == Some(&json!("gvisor")),
        }
    }),
    ("one container", |pod| {
        lacks(pod.spec, &["initContainers", "ephemeralContainers"])
            && select(pod.spec, "containers[].name") == [&json!("workload")]
            && pod.spec["shareProcessNamespace"] == false
    }),
    ("no identity and no token", |pod| {
        pod.spec["serviceAccountName"] == "workload"
            && pod.spec["automountServiceAccountToken"] == false
            && lacks(pod.spec, &["serviceAccount"])
    }),
    ("no addresses of services in the environment", |pod| pod.spec["enableServiceLinks"] == false),
    ("the tenants' priority", |pod| {
        pod.spec["priorityClassName"] == "leasehold-tenant"
            && lacks(pod.spec, &["priority", "preemptionPolicy"])
    }),
    ("the provider chooses the nodes", |pod| {
        let wanted = &pod.case.settings.node_selector.0;
        let selector = pod.spec.get("nodeSelector").cloned().unwrap_or(json!({}));
        let chosen = [
            "nodeName",
            "affinity",
            "topologySpreadConstraints",
            "schedulerName",
            "schedulingGates",
            "resourceClaims",
        ];
        selector == json!(wanted) && lacks(pod.spec, &chosen)
    }),
    ("no taint is tolerated but the tenants'", |pod| {
        let key = pod.case.settings.node_taint.as_ref();
        let wanted: Vec<Value> =
            key.map(|key| json!({"key": key, "operator": "Exists"})).into_iter().collect();
        select(pod.spec, "tolerations[]") == wanted.iter().collect::<Vec<_>>()
    }),
    ("the cluster's names", |pod| {
        let config = &pod.spec["dnsConfig"];
        pod.spec["dnsPolicy"] == "None"
            && config["nameservers"] == json!(pod.case.lease.name_servers)
            && config["searches"] == json!([format!("{}.svc.cluster.local", pod.case.lease.name)])
            && lacks(
                pod.spec,
                &["hostAliases", "hostname", "hostnameOverride", "subdomain", "setHostnameAsFQDN"],
            )
    }),
    ("no foreign credentials for images", |pod| {
        pod.spec.get("imagePullSecrets").is_none_or(|named| *named == json!([{"name": "image-pull"}]))
    }),
    ("the environment comes from the manifest alone", |pod| {
        let secret = format!("{}-env", pod.workload["metadata"]["name"].as_str().unwrap_or_default());
        let sources = select(pod.container, "envFrom[]");
        let names = select(pod.container, "env[].name");
        lacks(pod.container, &["env[].valueFrom"])
            && sources
                .iter()
                .all(|source| **source == json!({"secretRef": {"name": secret, "optional": false}}))
            && names.iter().all(|name| name.as_str().is_some_and(|name| !is_reserved_variable(name)))
    }),
    ("texts mean what they say", |pod| {
        let texts =
            ["command[]", "args[]", "env[].value"].into_iter().flat_map(|path| select(pod.container, path));
        texts.into_iter().all(|text| text.as_str().is_some_and(|text| !is_expanded(text)))
    }),
    ("mounts are claims at paths of the tenant's own", |pod| {
        let claims = select(pod.workload, "spec.volumeClaimTemplates[].metadata.name");
        select(pod.container, "volumeMounts[]").into_iter().all(|mount| {
            let path = mount["mountPath"].as_str().unwrap_or_default();
            keys(mount) == ["mountPath", "name"].into()
                && claims.contains(&&mount["name"])
                && is_own_path(path)
        })
    }),
    ("images are pinned", |pod| {
        let digest = pod.container["image"].as_str().and_then(|image| image.rsplit_once("@sha256:"));
        digest.is_some_and(|(_, hex)| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    }),
    ("the registry is asked each time", |pod| pod.container["imagePullPolicy"] == "Always"),
    ("what is asked for is what is allowed", |pod| {
        let resources = &pod.container["resources"];
        let bounded = keys(&resources["limits"]) == ["cpu", "ephemeral-storage", "memory"].into();
        bounded && resources["limits"] == resources["requests"] && lacks(resources, &["claims"])
    }),
    ("it ends soon and nobody is at its terminal", |pod| {
        let grace = pod.spec["terminationGracePeriodSeconds"].as_i64();
        grace.is_some_and(|grace| (0..=60).contains(&grace))
            && pod.spec["restartPolicy"] == "Always"
            && lacks(pod.spec, &["activeDeadlineSeconds", "containers[].stdin", "containers[].tty"])
    }),
    ("groups are not taken from the image", |pod| {
        let context = &pod.spec["securityContext"];
        context["supplementalGroupsPolicy"] == "Strict" && lacks(context, &["supplementalGroups"])
    }),
];

/// What Kubernetes does with `$(NAME)`: `$$` is a dollar sign.
fn is_expanded(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        match rest.strip_prefix('$') {
            Some(after) => rest = after,
            None if rest.starts_with('(') => return true,
            None => {}
        }
    }
    false
}

fn is_own_path(path: &str) -> bool {
    let below =
        |other: &str| path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let clean = path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| !["", ".", ".."].contains(&part) && !part.contains([':', '\0']))
    });
    clean && !["/proc", "/sys", "/dev", "/run/secrets", "/var/run/secrets"].into_iter().any(below)
}
