//! Which isolation tiers are offered: those that the provider sells and that this cluster can really run.
//!
//! A tier that the cluster cannot run would not fail loudly. The kubelet would leave the pods waiting, or an old API
//! server would drop the field and run root on the node. So it is refused before anything is created.

use std::collections::BTreeMap;

use crd::node::{has_handler, has_labels, has_user_namespaces, is_cordoned, reports_handlers};
use k8s_openapi::{
    api::{core::v1::Node, node::v1::RuntimeClass},
    apimachinery::pkg::api::resource::Quantity,
};
use market::Tier;

use crate::{meter::quantity, settings::Settings};

/// How the pods of a lease are kept from the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// Not root, no capabilities.
    Strict,
    /// Root inside a user namespace, nobody outside.
    UserNamespace,
    /// A runtime with a kernel of its own.
    Sandbox(Sandbox),
}

/// The runtime of the sandboxed tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Name of the RuntimeClass.
    pub runtime_class: String,
    /// What one pod of it costs besides its containers. Quotas count it.
    pub overhead: Overhead,
}

/// What the runtime itself takes for one pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overhead {
    /// CPU in thousandths of a core.
    pub cpu_milli: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Ephemeral storage in bytes.
    pub ephemeral_storage_bytes: u64,
}

impl Confinement {
    /// What one pod costs besides its containers.
    pub fn overhead(&self) -> Overhead {
        match self {
            Self::Strict | Self::UserNamespace => Overhead::default(),
            Self::Sandbox(sandbox) => sandbox.overhead,
        }
    }
}

/// Why a tier is not offered. The text is shown to the tenant and names what the provider can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The provider does not sell it.
    #[error("the isolation tier {tier} is not offered here; this provider offers {offered}")]
    NotSold {
        /// The tier that was asked for.
        tier: Tier,
        /// Those that are sold.
        offered: String,
    },
    /// No node can run pods in user namespaces.
    #[error(
        "the isolation tier userns cannot run here: no node for tenants reports userNamespaces in \
         status.runtimeHandlers; the provider needs Linux 6.3 or newer and a runtime such as containerd 2 on them"
    )]
    NoUserNamespaces,
    /// The RuntimeClass is not there.
    #[error(
        "the isolation tier sandboxed cannot run here: there is no RuntimeClass {name}; the provider must install \
         gVisor or Kata and its RuntimeClass, or name another by --sandbox-runtime-class"
    )]
    NoRuntimeClass {
        /// The class that was looked for.
        name: String,
    },
    /// The RuntimeClass is there, but the runtime is not.
    #[error(
        "the isolation tier sandboxed cannot run here: no node for tenants reports the runtime handler {handler} of \
         RuntimeClass {name}; the provider must configure it in the nodes' container runtime"
    )]
    NoRuntimeHandler {
        /// The class.
        name: String,
        /// Its handler.
        handler: String,
    },
}

/// Whether a lease has something to lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was created yet.
    New,
    /// It has a namespace. A node that is cordoned or a tier that is sold no more must not end it.
    Provisioned,
}

/// How each tier is made here, and what speaks against a new lease of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers {
    sandbox: Sandbox,
    problems: BTreeMap<Tier, Unavailable>,
}

impl Tiers {
    /// Decides for each tier, from what the provider sells and what the cluster reports.
    pub fn of(settings: &Settings, nodes: &[impl AsRef<Node>], classes: &[impl AsRef<RuntimeClass>]) -> Self {
        let nodes: Vec<&Node> =
            nodes.iter().map(AsRef::as_ref).filter(|node| is_for_tenants(node, settings)).collect();
        let name = &settings.sandbox_runtime_class;
        let class =
            classes.iter().map(AsRef::as_ref).find(|class| class.metadata.name.as_ref() == Some(name));
        let problem = |tier| match tier {
            _ if !settings.tiers.contains(&tier) => {
                let offered: Vec<_> = settings.tiers.iter().map(|tier| tier.name()).collect();
                Some(Unavailable::NotSold { tier, offered: offered.join(", ") })
            }
            Tier::Strict => None,
            Tier::Userns => {
                (!nodes.iter().any(|node| has_user_namespaces(node))).then_some(Unavailable::NoUserNamespaces)
            }
            Tier::Sandboxed => match class {
                None => Some(Unavailable::NoRuntimeClass { name: name.clone() }),
                Some(class) => (!have_handler(&nodes, &class.handler)).then(|| {
                    Unavailable::NoRuntimeHandler { name: name.clone(), handler: class.handler.clone() }
                }),
            },
        };
        Self {
            sandbox: Sandbox {
                runtime_class: name.clone(),
                overhead: class.map(overhead).unwrap_or_default(),
            },
            problems: Tier::ALL.into_iter().filter_map(|tier| Some((tier, problem(tier)?))).collect(),
        }
    }

    /// How the pods of a tier are confined, if a lease at this stage may have them.
    pub fn confinement(&self, tier: Tier, stage: Stage) -> Result<Confinement, Unavailable> {
        if let (Stage::New, Some(problem)) = (stage, self.problems.get(&tier)) {
            return Err(problem.clone());
        }
        Ok(match tier {
            Tier::Strict => Confinement::Strict,
            Tier::Userns => Confinement::UserNamespace,
            Tier::Sandboxed => Confinement::Sandbox(self.sandbox.clone()),
        })
    }
}

fn is_for_tenants(node: &Node, settings: &Settings) -> bool {
    !is_cordoned(node) && has_labels(node, &settings.node_selector.0)
}

/// Nodes with an older runtime report no handlers at all; then the class is taken at its word.
fn have_handler(nodes: &[&Node], wanted: &str) -> bool {
    !nodes.iter().any(|node| reports_handlers(node)) || nodes.iter().any(|node| has_handler(node, wanted))
}

fn overhead(class: &RuntimeClass) -> Overhead {
    let fixed = class.overhead.as_ref().and_then(|overhead| overhead.pod_fixed.as_ref());
    let read = |resource: &str, read: fn(&Quantity) -> Option<u64>| {
        fixed.and_then(|fixed| fixed.get(resource)).and_then(read).unwrap_or(0)
    };
    Overhead {
        cpu_milli: read("cpu", quantity::milli),
        memory_bytes: read("memory", quantity::whole),
        ephemeral_storage_bytes: read("ephemeral-storage", quantity::whole),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::lease_controller::test_support::{runtime_class, settings};

    fn node(labels: &Value, handlers: &Value) -> Arc<Node> {
        Arc::new(
            serde_json::from_value(json!({
                "metadata": {"name": "node-a", "labels": labels},
                "status": {"runtimeHandlers": handlers}
            }))
            .unwrap(),
        )
    }

    fn tenants() -> Value {
        json!({"leasehold.dev/pool": "tenants"})
    }

    fn modern() -> Value {
        json!([
            {"name": "", "features": {"userNamespaces": true}},
            {"name": "runsc", "features": {"userNamespaces": false}}
        ])
    }

    fn check(tier: Tier, nodes: &[Arc<Node>], classes: &[Arc<RuntimeClass>]) -> Result<Confinement, String> {
        Tiers::of(&settings(), nodes, classes).confinement(tier, Stage::New).map_err(|why| why.to_string())
    }

    #[test]
    fn a_tier_is_offered_where_the_cluster_can_run_it() {
        let (nodes, classes) = ([node(&tenants(), &modern())], [Arc::new(runtime_class())]);
        assert_eq!(check(Tier::Strict, &[], &[]), Ok(Confinement::Strict));
        assert_eq!(check(Tier::Userns, &nodes, &[]), Ok(Confinement::UserNamespace));
        let sandbox = Confinement::Sandbox(Sandbox {
            runtime_class: "gvisor".to_owned(),
            overhead: Overhead { cpu_milli: 50, memory_bytes: 64 << 20, ephemeral_storage_bytes: 0 },
        });
        assert_eq!(check(Tier::Sandboxed, &nodes, &classes), Ok(sandbox.clone()));
        let silent = [node(&tenants(), &json!(null))];
        assert_eq!(check(Tier::Sandboxed, &silent, &classes), Ok(sandbox));
    }

    #[test]
    fn a_tier_that_is_not_sold_is_refused_by_name() {
        let strict = Settings { tiers: [Tier::Strict].into(), ..settings() };
        let nodes = [node(&tenants(), &modern())];
        let tiers = Tiers::of(&strict, &nodes, &[Arc::new(runtime_class())]);
        for tier in [Tier::Userns, Tier::Sandboxed] {
            assert_eq!(
                tiers.confinement(tier, Stage::New),
                Err(Unavailable::NotSold { tier, offered: "strict".to_owned() })
            );
        }
        assert_eq!(
            tiers.confinement(Tier::Userns, Stage::New).unwrap_err().to_string(),
            "the isolation tier userns is not offered here; this provider offers strict"
        );
    }

    #[test]
    fn user_namespaces_need_a_node_for_tenants_whose_default_runtime_has_them() {
        let old = json!([{"name": "", "features": {"userNamespaces": false}}]);
        let other = json!([
            {"name": "", "features": {"userNamespaces": false}},
            {"name": "kata", "features": {"userNamespaces": true}}
        ]);
        let mut cordoned = node(&tenants(), &modern());
        Arc::make_mut(&mut cordoned).spec.get_or_insert_default().unschedulable = Some(true);
        let wanted = Err(Unavailable::NoUserNamespaces.to_string());
        for node in [
            node(&tenants(), &old),
            node(&tenants(), &other),
            node(&tenants(), &json!(null)),
            node(&json!({}), &modern()),
            cordoned,
        ] {
            assert_eq!(check(Tier::Userns, &[node], &[]), wanted);
        }
        assert_eq!(check(Tier::Userns, &[], &[]), wanted);
    }

    #[test]
    fn a_sandbox_needs_its_class_and_its_handler() {
        let without = [node(&tenants(), &json!([{"name": ""}]))];
        let missing = Unavailable::NoRuntimeClass { name: "gvisor".to_owned() };
        let unconfigured =
            Unavailable::NoRuntimeHandler { name: "gvisor".to_owned(), handler: "runsc".to_owned() };
        let classes = [Arc::new(runtime_class())];
        assert_eq!(check(Tier::Sandboxed, &without, &[]), Err(missing.to_string()));
        assert_eq!(check(Tier::Sandboxed, &without, &classes), Err(unconfigured.to_string()));
    }

    #[test]
    fn a_lease_that_runs_keeps_its_tier_whatever_becomes_of_the_offer() {
        let strict = Settings { tiers: [Tier::Strict].into(), ..settings() };
        let none: [Arc<Node>; 0] = [];
        let tiers = Tiers::of(&strict, &none, &[Arc::new(runtime_class())]);
        let kept = Tier::ALL.map(|tier| tiers.confinement(tier, Stage::Provisioned).unwrap());
        let overhead = Overhead { cpu_milli: 50, memory_bytes: 64 << 20, ephemeral_storage_bytes: 0 };
        assert_eq!(
            kept,
            [
                Confinement::Strict,
                Confinement::UserNamespace,
                Confinement::Sandbox(Sandbox { runtime_class: "gvisor".to_owned(), overhead }),
            ]
        );
    }
}
