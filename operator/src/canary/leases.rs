//! The two pseudo-leases: a listener that admits connections on some ports, and a dialer that may make some.
//!
//! Everything is rendered as for a tenant of the strict tier; two policies are added which open one direction each:
//!
//! | Port | The dialer may go out | The listener lets in | So it is |
//! |---|---|---|---|
//! | [`ALLOWED`] | yes | yes | open, or nothing can be said |
//! | [`INGRESS`] | yes | no | closed where ingress is enforced |
//! | [`EGRESS`] | no | yes | closed where egress is enforced |

use std::{collections::BTreeMap, net::IpAddr};

use crd::{
    ChainRef, ComputeLease, ComputeLeaseSpec, DesiredState, ImageStatus, LeaseName, ResourceLimits, TierName,
};
use k8s_openapi::{
    api::networking::v1::{
        NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use manifest::{
    ExposeDocument, ImageRef, Manifest, NetworkDocument, PlacementDocument, PortDocument, ProtocolDocument,
    ReadinessDocument, ResourcesDocument, ServiceDocument, TcpSocketDocument, TierDocument, ValidManifest,
    VersionDocument,
};
use market::{B256, LeaseId, Tier};
use sha2::{Digest, Sha256};

use crate::{
    lease_controller::{
        build::{self, ClusterAddresses, LeaseObjects},
        rollout::Course,
        tiers::Confinement,
        validate::{Activity, Validated},
    },
    settings::Settings,
};

/// Port that both sides open.
pub(super) const ALLOWED: u16 = 8001;
/// Port that the dialer's side opens and the listener's does not.
pub(super) const INGRESS: u16 = 8002;
/// Port that the listener's side opens and the dialer's does not.
pub(super) const EGRESS: u16 = 8003;

/// Who the image runs as.
const USER: i64 = 10_001;
const POLICY: &str = "canary";

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Accepts connections on all three ports.
    Listener,
    /// Tries them.
    Dialer,
}

impl Side {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Listener, Self::Dialer];

    /// Name of its only service.
    pub(super) fn service(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Dialer => "dialer",
        }
    }

    /// No bid has this digest, so no lease has this id.
    fn id(self, settings: &Settings) -> LeaseId {
        let text = format!("network canary of {}: {}", settings.system_namespace, self.service());
        LeaseId(B256::from(<[u8; 32]>::from(Sha256::digest(text))))
    }

    /// Name of its namespace: always the same, so that what an earlier process left is found.
    pub(super) fn name(self, settings: &Settings) -> LeaseName {
        LeaseName::of(self.id(settings))
    }

    /// What the reconciler's steps take for a lease. It is never written: the namespace's owner is no `ComputeLease`.
    pub(super) fn lease(self, settings: &Settings) -> ComputeLease {
        let nobody = || format!("0x{}", "0".repeat(40));
        let spec = ComputeLeaseSpec {
            lease_id: self.id(settings).to_string(),
            tenant: nobody(),
            provider: nobody(),
            chain: ChainRef { chain_id: 0, market: nobody() },
            tier: TierName::Strict,
            limits: ResourceLimits::default(),
            manifest: None,
            desired: DesiredState::Running,
            term: None,
            settlement: None,
            suspension: None,
        };
        let mut lease = ComputeLease::new(self.name(settings).as_str(), spec);
        lease.metadata.namespace = Some(settings.system_namespace.clone());
        lease.metadata.uid = Some(format!("network-canary-{}", self.service()));
        lease
    }

    /// What it runs. The dialer needs to know whom to call.
    pub(super) fn manifest(
        self,
        image: &ImageRef,
        listener: Option<IpAddr>,
    ) -> Result<ValidManifest, Vec<manifest::Problem>> {
        let listens = self == Self::Listener;
        let port = |port: u16| PortDocument {
            port: port.into(),
            protocol: ProtocolDocument::Tcp,
            expose: ExposeDocument::Internal,
            hosts: Vec::new(),
        };
        let mut args = vec!["canary".to_owned()];
        match (self, listener) {
            (Self::Listener, _) => args.push("listen".to_owned()),
            (Self::Dialer, address) => {
                args.push("dial".to_owned());
                args.extend(address.map(|address| format!("--listener={address}")));
            }
        }
        let service = ServiceDocument {
            image: image.to_string(),
            command: Vec::new(),
            args,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            resources: ResourcesDocument { cpu: "10m".to_owned(), memory: "32Mi".to_owned(), gpu: None },
            replicas: 1,
            ports: if listens { [ALLOWED, INGRESS, EGRESS].map(port).into() } else { Vec::new() },
            volumes: Vec::new(),
            readiness: listens.then(|| ReadinessDocument {
                http_get: None,
                tcp_socket: Some(TcpSocketDocument { port: ALLOWED.into() }),
                initial_delay_seconds: 0,
                period_seconds: 1,
                timeout_seconds: 1,
                failure_threshold: 3,
            }),
            run_as_user: Some(USER),
        };
        manifest::validate(&Manifest {
            version: VersionDocument::V1,
            name: "network-canary".to_owned(),
            duration: "1h".to_owned(),
            tier: TierDocument::Strict,
            placement: PlacementDocument::default(),
            network: NetworkDocument::default(),
            registries: BTreeMap::default(),
            services: [(self.service().to_owned(), service)].into(),
        })
    }

    /// The pseudo-lease as if it had been accepted.
    pub(super) fn validated(
        self,
        settings: &Settings,
        manifest: ValidManifest,
        images: Vec<ImageStatus>,
        name_servers: Vec<IpAddr>,
    ) -> Validated {
        Validated {
            name: self.name(settings),
            uid: self.lease(settings).metadata.uid.unwrap_or_default(),
            tier: Tier::Strict,
            confinement: Confinement::Strict,
            manifest,
            publicity: None,
            images,
            storage_class: None,
            closed_classes: Default::default(),
            name_servers,
            activity: Activity::Running,
            course: Course::Newest,
        }
    }

    /// Its objects: those of a lease, and the one policy that opens its direction.
    pub(super) fn objects(
        self,
        validated: &Validated,
        settings: &Settings,
        addresses: &ClusterAddresses,
    ) -> LeaseObjects {
        let mut objects = build::build(validated, settings, addresses);
        objects.network_policies.push(self.opening(validated, settings));
        objects
    }

    fn opening(self, validated: &Validated, settings: &Settings) -> NetworkPolicy {
        let other = match self {
            Self::Listener => Self::Dialer,
            Self::Dialer => Self::Listener,
        };
        let peers = || Some(vec![everybody_in(&other.name(settings))]);
        let ports = |ports: [u16; 2]| Some(ports.map(tcp).into());
        let spec = match self {
            Self::Listener => NetworkPolicySpec {
                policy_types: Some(vec!["Ingress".to_owned()]),
                ingress: Some(vec![NetworkPolicyIngressRule {
                    from: peers(),
                    ports: ports([ALLOWED, EGRESS]),
                }]),
                ..NetworkPolicySpec::default()
            },
            Self::Dialer => NetworkPolicySpec {
                policy_types: Some(vec!["Egress".to_owned()]),
                egress: Some(vec![NetworkPolicyEgressRule { to: peers(), ports: ports([ALLOWED, INGRESS]) }]),
                ..NetworkPolicySpec::default()
            },
        };
        NetworkPolicy {
            metadata: ObjectMeta {
                name: Some(POLICY.to_owned()),
                namespace: Some(validated.name.to_string()),
                labels: Some(build::recommended_labels(validated)),
                ..ObjectMeta::default()
            },
            spec: Some(NetworkPolicySpec { pod_selector: Some(LabelSelector::default()), ..spec }),
        }
    }
}

fn everybody_in(namespace: &LeaseName) -> NetworkPolicyPeer {
    let name = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_string())]);
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector { match_labels: Some(name), ..LabelSelector::default() }),
        pod_selector: Some(LabelSelector::default()),
        ..NetworkPolicyPeer::default()
    }
}

fn tcp(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some("TCP".to_owned()),
        port: Some(IntOrString::Int(port.into())),
        end_port: None,
    }
}
