//! Manifests of a tenant who means harm: every free text is a way out, a name of the cluster's own, or a piece of YAML.
//!
//! Which of the values pass validation is not said here but asked, so a laxer validation makes more manifests.

use std::{collections::BTreeMap, sync::LazyLock};

use manifest::{
    ExposeDocument, HttpGetDocument, Manifest, NetworkDocument, PlacementDocument, PortDocument,
    ProtocolDocument, ReadinessDocument, RegistryDocument, ResourcesDocument, Secret, SecretSource,
    ServiceDocument, TcpSocketDocument, TierDocument, VersionDocument, VolumeDocument,
};
use market::Tier;
use proptest::{prelude::*, sample};

const TEXTS: [&str; 24] = [
    "",
    "$(KUBERNETES_SERVICE_HOST)",
    "$$(PATH)",
    "$$$(HOME)$",
    "${HOME}",
    "../../../etc/shadow",
    "/proc/1/root",
    "\nhostNetwork: true\n",
    "\r\n  privileged: true # ",
    "\", \"hostPID\": true, \"x\": \"",
    "---\nkind: ClusterRoleBinding\n",
    "{{ .Values.admission }}",
    "!!python/object/apply:os.system",
    "*",
    "&anchor",
    "<<: *all",
    "leasehold.dev/lease-namespace=true",
    "pod-security.kubernetes.io/enforce: privileged",
    "kube-system",
    "system:masters",
    "\u{202e}txt.exe",
    "\u{1b}[2J\u{7}",
    "\u{0}",
    "😈",
];
const NAMES: [&str; 24] = [
    "web",
    "a",
    "kubernetes",
    "kube-system",
    "default",
    "workload",
    "lease",
    "lease-reader",
    "localhost",
    "from-gateway-web",
    "web-env",
    "env",
    "metadata",
    "host",
    "node",
    "data-web",
    "true",
    "null",
    "y",
    "Web",
    "web.",
    "../web",
    "system:node",
    "9front",
];
const IMAGES: [&str; 14] = [
    "registry.example/web@sha256:1111111111111111111111111111111111111111111111111111111111111111",
    "registry.example/web:latest",
    "registry.example/web:1@sha256:1111111111111111111111111111111111111111111111111111111111111111",
    "localhost:5000/web:1",
    "127.0.0.1:5000/web:1",
    "[::1]:5000/web:1",
    "169.254.169.254/latest:meta-data",
    "registry.example:65535/a/b/c/d/e:x",
    "registry.example/web:$(TAG)",
    "registry.example/../../web:1",
    "registry.example/web@sha256:zz",
    "registry.example/web@md5:11111111111111111111111111111111",
    "user:password@registry.example/web:1",
    "http://registry.example/web:1",
];
const ENV_NAMES: [&str; 16] = [
    "PATH",
    "LD_PRELOAD",
    "HOME",
    "KUBERNETES",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "kubernetes_port",
    "NVIDIA_VISIBLE_DEVICES",
    "nvidia_driver_capabilities",
    "NVIDIAX",
    "A.B",
    "A-B",
    "A=B",
    "1A",
    "_",
    "a b",
];
const MOUNT_PATHS: [&str; 28] = [
    "/data",
    "/",
    "/proc",
    "/proc/sys/kernel",
    "/process",
    "/sys",
    "/sys/fs/cgroup",
    "/dev",
    "/dev/shm",
    "/device",
    "/run/secrets",
    "/var/run/secrets",
    "/var/run/secrets/kubernetes.io/serviceaccount",
    "/run/secretsx",
    "/etc",
    "/etc/passwd",
    "/var/run",
    "/run",
    "/var",
    "/../etc",
    "/a/../../etc",
    "/./proc",
    "//proc",
    "/proc/",
    "relative",
    "/a:/b",
    "/a\u{0}",
    "/😈",
];
const HOSTS: [&str; 10] = [
    "shop.example.com",
    "kubernetes.default.svc.cluster.local",
    "x.apps.example.net",
    "*.example.com",
    "localhost",
    "169.254.169.254",
    "a..b",
    "-a.example.com",
    "owner.example",
    "EXAMPLE.com",
];
const PROBE_PATHS: [&str; 8] = [
    "/",
    "/healthz?x=$(HOME)",
    "//169.254.169.254/latest",
    "/../..",
    "http://169.254.169.254/",
    "@evil",
    "/ x",
    "/\n",
];
const CPUS: [&str; 8] = ["10m", "1", "512", "9m", "513", "-1", "1e3", "0"];
const MEMORIES: [&str; 8] = ["4Mi", "128Mi", "16Ti", "1", "17Ti", "-1Mi", "18446744073709551616", "1Zi"];
const SIZES: [&str; 6] = ["1Mi", "1Gi", "1Pi", "2Pi", "0", "-1Gi"];
const NUMBERS: [i64; 14] =
    [0, 1, 2, 22, 53, 64, 65, 443, 10_250, 65_535, 65_536, 2_147_483_647, i64::MAX, i64::MIN];

fn tier_of(tier: Tier) -> TierDocument {
    match tier {
        Tier::Strict => TierDocument::Strict,
        Tier::Userns => TierDocument::Userns,
        Tier::Sandboxed => TierDocument::Sandboxed,
    }
}

fn port(port: i64, expose: ExposeDocument) -> PortDocument {
    PortDocument { port, protocol: ProtocolDocument::Tcp, expose, hosts: Vec::new() }
}

fn value(text: &str) -> SecretSource {
    SecretSource::Value(Secret::new(text.to_owned()))
}

/// A service with something in every field.
fn service() -> ServiceDocument {
    ServiceDocument {
        image: IMAGES[0].to_owned(),
        command: vec!["/bin/sh".to_owned()],
        args: vec!["-c".to_owned()],
        env: [("COLOUR".to_owned(), "blue".to_owned())].into(),
        secrets: [("PASSWORD".to_owned(), value("open-sesame"))].into(),
        resources: ResourcesDocument { cpu: "100m".to_owned(), memory: "64Mi".to_owned(), gpu: None },
        replicas: 2,
        ports: vec![
            PortDocument { hosts: vec!["shop.example.com".to_owned()], ..port(8080, ExposeDocument::Public) },
            port(8081, ExposeDocument::Tenant),
            port(8082, ExposeDocument::Internal),
        ],
        volumes: Vec::new(),
        readiness: Some(ReadinessDocument {
            http_get: Some(HttpGetDocument { port: 8080, path: "/healthz".to_owned() }),
            tcp_socket: None,
            initial_delay_seconds: 0,
            period_seconds: 5,
            timeout_seconds: 1,
            failure_threshold: 3,
        }),
        run_as_user: Some(10_001),
    }
}

fn stateful() -> ServiceDocument {
    ServiceDocument {
        ports: vec![port(5432, ExposeDocument::Internal)],
        volumes: vec![VolumeDocument {
            name: "data".to_owned(),
            mount_path: "/data".to_owned(),
            size: "1Gi".to_owned(),
        }],
        readiness: None,
        ..service()
    }
}

/// A manifest from which every kind of object is rendered.
pub(super) fn fullest(tier: Tier) -> Manifest {
    Manifest {
        version: VersionDocument::V1,
        name: "shop".to_owned(),
        duration: "1h".to_owned(),
        tier: tier_of(tier),
        placement: PlacementDocument::default(),
        network: NetworkDocument::default(),
        registries: BTreeMap::default(),
        services: [("web".to_owned(), service()), ("database".to_owned(), stateful())].into(),
    }
}

/// One change of one field of the fullest manifest.
type Change = Box<dyn Fn(&mut Manifest) + Send + Sync>;

static CHANGES: LazyLock<Vec<Change>> = LazyLock::new(changes);

fn each_service(change: impl Fn(&mut ServiceDocument) + Send + Sync + 'static) -> Change {
    Box::new(move |manifest| manifest.services.values_mut().for_each(&change))
}

fn renamed(name: &'static str) -> Change {
    Box::new(move |manifest| {
        if let Some(web) = manifest.services.remove("web") {
            manifest.services.insert(name.to_owned(), web);
        }
    })
}

/// Every hostile value in every place where it could go, valid or not.
fn changes() -> Vec<Change> {
    let long: &'static str = Box::leak("$(A)".repeat(1 << 10).into_boxed_str());
    let longest_name: &'static str = Box::leak("n".repeat(40).into_boxed_str());
    let mut all: Vec<Change> = Vec::new();
    for text in TEXTS.into_iter().chain([long]) {
        all.push(each_service(move |service| {
            service.command = vec![text.to_owned(); 2];
            service.args = vec![text.to_owned(); 2];
            service.env.insert("TEXT".to_owned(), text.to_owned());
            service.secrets.insert("SECRET".to_owned(), value(text));
        }));
        all.push(each_service(move |service| drop(service.env.insert(text.to_owned(), "x".to_owned()))));
        all.push(Box::new(move |manifest| manifest.name = text.to_owned()));
        for host in ["registry.example", text] {
            all.push(Box::new(move |manifest| {
                let registry = RegistryDocument { username: text.to_owned(), password: value(text) };
                manifest.registries.insert(host.to_owned(), registry);
            }));
        }
        all.push(Box::new(move |manifest| {
            let attributes = &mut manifest.placement.attributes;
            attributes.insert(text.to_owned(), text.to_owned());
        }));
    }
    for name in NAMES.into_iter().chain([longest_name]) {
        all.push(renamed(name));
        all.push(each_service(move |service| {
            service.volumes.iter_mut().for_each(|volume| volume.name = name.to_owned());
        }));
    }
    for name in ENV_NAMES {
        all.push(each_service(move |service| drop(service.env.insert(name.to_owned(), "x".to_owned()))));
        all.push(each_service(move |service| drop(service.secrets.insert(name.to_owned(), value("x")))));
    }
    all.extend(IMAGES.map(|image| each_service(move |service| service.image = image.to_owned())));
    all.extend(MOUNT_PATHS.map(|path| {
        each_service(move |service| {
            service.volumes.iter_mut().for_each(|volume| volume.mount_path = path.to_owned());
        })
    }));
    all.extend(HOSTS.map(|host| {
        each_service(move |service| {
            let public = service.ports.iter_mut().filter(|port| port.expose == ExposeDocument::Public);
            public.for_each(|port| port.hosts = vec![host.to_owned()]);
        })
    }));
    all.extend(PROBE_PATHS.map(|path| {
        each_service(move |service| {
            let probe = service.readiness.as_mut().and_then(|readiness| readiness.http_get.as_mut());
            probe.into_iter().for_each(|probe| probe.path = path.to_owned());
        })
    }));
    all.extend(CPUS.map(|cpu| each_service(move |service| service.resources.cpu = cpu.to_owned())));
    all.extend(
        MEMORIES.map(|memory| each_service(move |service| service.resources.memory = memory.to_owned())),
    );
    all.extend(SIZES.map(|size| {
        each_service(move |service| {
            service.volumes.iter_mut().for_each(|volume| volume.size = size.to_owned());
        })
    }));
    for number in NUMBERS {
        all.push(each_service(move |service| service.run_as_user = Some(number)));
        all.push(each_service(move |service| service.replicas = number));
        for protocol in [ProtocolDocument::Tcp, ProtocolDocument::Udp] {
            all.push(each_service(move |service| {
                service.ports.push(PortDocument { protocol, ..port(number, ExposeDocument::Internal) });
            }));
        }
        all.push(each_service(move |service| {
            let readiness = service.readiness.iter_mut();
            readiness.for_each(|readiness| {
                readiness.http_get = None;
                readiness.tcp_socket = Some(TcpSocketDocument { port: 8081 });
                readiness.initial_delay_seconds = number;
            });
        }));
        all.push(each_service(move |service| {
            service.readiness.iter_mut().for_each(|readiness| readiness.period_seconds = number);
        }));
        all.push(each_service(move |service| {
            service.readiness.iter_mut().for_each(|readiness| readiness.timeout_seconds = number);
        }));
        all.push(each_service(move |service| {
            service.readiness.iter_mut().for_each(|readiness| readiness.failure_threshold = number);
        }));
    }
    // Claims are named VOLUME-SERVICE-ORDINAL.
    all.push(Box::new(|manifest| {
        for (name, volume) in [("b-c", "a"), ("c", "a-b")] {
            let mut service = stateful();
            service.volumes[0].name = volume.to_owned();
            manifest.services.insert(name.to_owned(), service);
        }
    }));
    all.push(each_service(|service| service.run_as_user = None));
    all.push(each_service(|service| service.env = BTreeMap::new()));
    all.push(each_service(|service| service.secrets = BTreeMap::new()));
    all.push(each_service(|service| {
        (service.ports, service.readiness) = (Vec::new(), None);
    }));
    all.push(Box::new(|manifest| manifest.network.egress_per_second = Some("100G".to_owned())));
    all
}

/// Places of the changes that pass validation alone.
fn passing(tier: Tier) -> Vec<usize> {
    static PASSING: LazyLock<BTreeMap<Tier, Vec<usize>>> = LazyLock::new(|| {
        let passes = |tier: Tier, change: &Change| {
            let mut manifest = fullest(tier);
            change(&mut manifest);
            manifest::validate(&manifest).is_ok()
        };
        let of = |tier| (0..CHANGES.len()).filter(|index| passes(tier, &CHANGES[*index])).collect();
        Tier::ALL.into_iter().map(|tier| (tier, of(tier))).collect()
    });
    PASSING[&tier].clone()
}

/// The manifests with one hostile value that pass validation, in each tier.
pub(super) fn each() -> impl Iterator<Item = Manifest> {
    Tier::ALL.into_iter().flat_map(|tier| {
        passing(tier).into_iter().map(move |index| {
            let mut manifest = fullest(tier);
            CHANGES[index](&mut manifest);
            manifest
        })
    })
}

/// Manifests with several hostile values that pass validation together.
pub(super) fn any() -> impl Strategy<Value = Manifest> {
    sample::select(Tier::ALL.to_vec())
        .prop_flat_map(|tier| (Just(tier), sample::subsequence(passing(tier), 1..16).prop_shuffle()))
        .prop_filter_map("two values do not go together", |(tier, chosen)| {
            let mut manifest = fullest(tier);
            for index in chosen {
                CHANGES[index](&mut manifest);
            }
            manifest::validate(&manifest).is_ok().then_some(manifest)
        })
}
