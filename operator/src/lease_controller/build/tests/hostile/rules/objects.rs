//! Rules of everything around the pods: where it is, what it is called, whom it lets in and out.

use super::*;

pub(super) const RULES: [Rule; 14] = [
    ("everything is in the lease's namespace", |case| {
        let lease = case.lease.name.as_str();
        case.objects.iter().all(|object| match object["kind"].as_str() {
            Some("Namespace") => {
                object["metadata"]["name"] == lease && object["metadata"].get("namespace").is_none()
            }
            _ => object["metadata"]["namespace"] == lease,
        })
    }),
    ("labels are ours", |case| {
        let id = case.lease.name.label_value();
        let metadata = case.objects.iter().map(|object| &object["metadata"]);
        let templates = case.objects.iter().flat_map(|object| select(object, "spec.template.metadata"));
        let claims =
            case.objects.iter().flat_map(|object| select(object, "spec.volumeClaimTemplates[].metadata"));
        let known = [
            "app.kubernetes.io/managed-by",
            "leasehold.dev/lease",
            "leasehold.dev/lease-namespace",
            "leasehold.dev/service",
            "leasehold.dev/tier",
            "leasehold.dev/volume",
            "pod-security.kubernetes.io/audit",
            "pod-security.kubernetes.io/audit-version",
            "pod-security.kubernetes.io/enforce",
            "pod-security.kubernetes.io/enforce-version",
            "pod-security.kubernetes.io/warn",
            "pod-security.kubernetes.io/warn-version",
        ];
        metadata.chain(templates).chain(claims).all(|metadata| {
            let labels = &metadata["labels"];
            labels["leasehold.dev/lease"] == id
                && labels["app.kubernetes.io/managed-by"] == "leasehold-operator"
                && keys(labels).is_subset(&known.into())
        })
    }),
    ("annotations are ours", |case| {
        let known = [
            "kubernetes.io/egress-bandwidth",
            "kubernetes.io/ingress-bandwidth",
            "leasehold.dev/compute-lease-uid",
            "leasehold.dev/form",
            "leasehold.dev/hosts",
            "leasehold.dev/pull-digest",
            "leasehold.dev/secret-digest",
        ];
        let all = case.objects.iter().flat_map(|object| {
            [select(object, "metadata.annotations"), select(object, "spec.template.metadata.annotations")]
                .concat()
        });
        all.into_iter().all(|annotations| keys(annotations).is_subset(&known.into()))
    }),
    ("names are labels and no two objects share one", |case| {
        let claims = case.of_kind("StatefulSet").flat_map(|set| {
            let volumes = select(set, "spec.volumeClaimTemplates[].metadata.name").into_iter();
            volumes.map(|volume| format!("claim {}-{}", text(volume), text(&set["metadata"]["name"])))
        });
        let objects = case
            .objects
            .iter()
            .map(|object| format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"])));
        let all: Vec<String> = objects.chain(claims).collect();
        let distinct: BTreeSet<&String> = all.iter().collect();
        distinct.len() == all.len() && all.iter().all(|name| name.rsplit(' ').next().is_some_and(is_label))
    }),
    ("the namespace's labels switch Pod Security on", |case| {
        let (level, tier) = match case.lease.tier {
            Tier::Strict => ("restricted", "strict"),
            Tier::Userns => ("baseline", "userns"),
            Tier::Sandboxed => ("baseline", "sandboxed"),
        };
        case.of_kind("Namespace").all(|namespace| {
            let labels = &namespace["metadata"]["labels"];
            labels["pod-security.kubernetes.io/enforce"] == level
                && labels["pod-security.kubernetes.io/enforce-version"] == "latest"
                && labels["leasehold.dev/tier"] == tier
                && labels["leasehold.dev/lease-namespace"] == "true"
        })
    }),
    ("services stay inside", |case| {
        case.of_kind("Service").all(|service| {
            let selector = &service["spec"]["selector"];
            service["spec"]["type"] == "ClusterIP"
                && selector["leasehold.dev/lease"] == case.lease.name.label_value()
                && lacks(
                    service,
                    &[
                        "spec.externalIPs",
                        "spec.externalName",
                        "spec.ports[].nodePort",
                        "spec.loadBalancerIP",
                    ],
                )
        })
    }),
    ("identities have no token", |case| {
        case.of_kind("ServiceAccount").all(|account| {
            account["automountServiceAccountToken"] == false
                && lacks(account, &["secrets", "imagePullSecrets"])
        })
    }),
    ("the agent may read, and nobody else anything", |case| {
        case.of_kind("RoleBinding").all(|binding| {
            binding["roleRef"] == json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "leasehold-lease-reader"})
                && binding["subjects"]
                    == json!([{"kind": "ServiceAccount", "name": "leasehold-agent", "namespace": "leasehold-system"}])
        })
    }),
    ("claims take new volumes of the lease's class", |case| {
        let claims =
            case.of_kind("StatefulSet").flat_map(|set| select(set, "spec.volumeClaimTemplates[].spec"));
        claims.into_iter().all(|claim| {
            claim["accessModes"] == json!(["ReadWriteOnce"])
                && claim["storageClassName"] == "local-path"
                && lacks(claim, &["dataSource", "dataSourceRef", "selector", "volumeName", "volumeMode"])
        })
    }),
    ("every pod is behind a policy of both directions", |case| {
        let specs: Vec<&Value> = case.of_kind("NetworkPolicy").map(|policy| &policy["spec"]).collect();
        let everyone = |spec: &&&Value| {
            spec["podSelector"] == json!({}) && spec["policyTypes"] == json!(["Ingress", "Egress"])
        };
        // Rules without peers let everybody in.
        let closed = |spec: &&Value| {
            let to = select(spec, "egress[]").into_iter().map(|rule| rule.get("to"));
            let mut peers = select(spec, "ingress[]").into_iter().map(|rule| rule.get("from")).chain(to);
            peers.all(|peers| peers.and_then(Value::as_array).is_some_and(|peers| !peers.is_empty()))
        };
        specs.iter().filter(everyone).count() == 1 && specs.iter().all(closed)
    }),
    ("peers are named", |case| {
        let peers = case.of_kind("NetworkPolicy").flat_map(|policy| {
            [select(policy, "spec.ingress[].from[]"), select(policy, "spec.egress[].to[]")].concat()
        });
        peers.into_iter().all(|peer| {
            let namespace = select(peer, "namespaceSelector.matchLabels");
            let own = peer.get("namespaceSelector").is_none() && peer.get("podSelector") == Some(&json!({}));
            let other = namespace.iter().any(|labels| labels.get("kubernetes.io/metadata.name").is_some())
                && select(peer, "podSelector.matchLabels").iter().any(|labels| !keys(labels).is_empty());
            own || other || peer.get("ipBlock").is_some()
        })
    }),
    ("the internet is what is public, without mail and name servers", |case| {
        let policies = || case.of_kind("NetworkPolicy");
        let incoming = policies().flat_map(|policy| select(policy, "spec.ingress[].from[].ipBlock"));
        let rules = policies().flat_map(|policy| select(policy, "spec.egress[]"));
        let mut outgoing = rules.filter(|rule| !select(rule, "to[].ipBlock").is_empty());
        incoming.count() == 0
            && outgoing.all(|rule| {
                let denied = |address: &str| {
                    let address = address.parse().unwrap();
                    let blocks = select(rule, "to[].ipBlock").into_iter();
                    let mut blocks = blocks.flat_map(|block| select(block, "except[]"));
                    blocks.any(|block| text(block).parse::<Cidr>().is_ok_and(|block| block.contains(address)))
                };
                let open = |protocol: &str, port: i64| {
                    select(rule, "ports[]").into_iter().any(|range| {
                        let first = range["port"].as_i64().unwrap_or(0);
                        range["protocol"] == protocol
                            && (first..=range["endPort"].as_i64().unwrap_or(first)).contains(&port)
                    })
                };
                [
                    "10.255.0.1",
                    "169.254.169.254",
                    "172.31.0.1",
                    "192.168.1.1",
                    "127.0.0.1",
                    "fd00:ec2::254",
                    "fe80::1",
                ]
                .into_iter()
                .all(denied)
                    && rule.get("ports").is_some()
                    && ![25, 465, 587, 53, 853].into_iter().any(|port| open("TCP", port))
                    && ![53, 853].into_iter().any(|port| open("UDP", port))
            })
    }),
    ("the quota counts every pod and opens no node", |case| {
        let pods: i64 = ["Deployment", "StatefulSet"]
            .into_iter()
            .flat_map(|kind| case.of_kind(kind))
            .map(|workload| workload["spec"]["replicas"].as_i64().unwrap_or(i64::MAX))
            .sum();
        case.of_kind("ResourceQuota").all(|quota| {
            let hard = &quota["spec"]["hard"];
            hard["pods"] == pods.to_string().as_str()
                && [
                    "services.nodeports",
                    "services.loadbalancers",
                    "count/daemonsets.apps",
                    "count/jobs.batch",
                ]
                .iter()
                .all(|closed| hard[closed] == "0")
        })
    }),
    ("routes lead from the Gateway to the lease", |case| {
        case.of_kind("HTTPRoute").all(|route| {
            let hosts = select(route, "spec.hostnames[]");
            let is_made = |host: &str| {
                host.strip_suffix(".apps.example.net").is_some_and(|label| {
                    !label.contains('.') && label.contains(&case.lease.name.label_value()[..26])
                })
            };
            let held = case.lease.publicity.iter().flat_map(Publicity::held).map(|host| host.to_string());
            let held: Vec<String> = held.collect();
            let gateway = json!({
                "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", "namespace": "gateway-system",
                "sectionName": "web",
            });
            let backends = select(route, "spec.rules[].backendRefs[]");
            select(route, "spec.parentRefs[]") == [&gateway]
                && hosts.iter().all(|host| is_made(text(host)) || held.iter().any(|held| *host == held))
                && backends.iter().all(|backend| backend["kind"] == "Service" && backend.get("namespace").is_none())
        })
    }),
];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
