//! `up`: brings the testbed up, or sees that it is up already.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::certificates::Authority;
use super::images::{self, Images};
use super::kubectl::Kubectl;
use super::site::{
    CHAIN_ID, GATEWAY_NAME, GATEWAY_NAMESPACE, GATEWAY_SERVICE, NODE_NAME, POD_CIDR, PUBLIC_DOMAIN, Profile,
    SANDBOX_RUNTIME_CLASS, SERVICE_CIDR, Site,
};
use super::state::{Before, Description, Gateway, Node, write_json};
use super::{addons, chain, control_plane, health, machine, node, proof, teardown};
use crate::cache::Key;
use crate::step::{note, step};
use crate::tools::{self, Tool, debian};

/// Brings the site's testbed up and returns its description. A testbed that runs and is healthy is left alone; one
/// that is half there is taken down first.
pub(crate) fn up(site: &Site) -> Result<Description> {
    super::ensure_possible(site.profile)?;
    match site.profile {
        Profile::Full => debian::ensure_for_node()?,
        Profile::ControlPlane | Profile::Bench => debian::ensure_for_control_plane()?,
    }
    let programs = programs(site.profile)?;
    let fingerprint = fingerprint(&programs);
    let _lock = super::lock(site)?;
    if let Some(description) = Description::read(site)? {
        let same = description.fingerprint == fingerprint;
        match health::check(site) {
            Ok(()) if same => {
                note("the testbed is up and healthy");
                return Ok(description);
            }
            Ok(()) => note("the testbed runs with other tools than this checkout's; starting it again"),
            Err(error) => note(&format!("the testbed is not healthy, starting it again: {error:#}")),
        }
    }
    if Before::read(site)?.is_some() {
        teardown::teardown(site)?;
    }
    prepare(site)?;
    let started = start(site)?;
    let description = Description {
        kubeconfig: site.kubeconfig(),
        rpc_url: site.rpc_url(),
        chain_id: CHAIN_ID,
        anvil_accounts: chain::accounts(site)?,
        tools: programs.shown,
        node: started,
        fingerprint,
    };
    write_json(&site.description(), &description)?;
    Ok(description)
}

/// Records how the machine is, then makes the site's directories.
pub(crate) fn prepare(site: &Site) -> Result<()> {
    let before = match site.profile {
        Profile::Full => {
            machine::ensure_unused()?;
            machine::look()?
        }
        Profile::ControlPlane | Profile::Bench => Before::default(),
    };
    let create = |directory: &Path| {
        fs::create_dir_all(directory).with_context(|| format!("failed to create {}", directory.display()))
    };
    create(&site.state)?;
    before.write(site)?;
    for directory in [site.records(), site.logs(), site.config()] {
        fs::create_dir_all(&directory)
            .with_context(|| format!("failed to create {}", directory.display()))?;
    }
    Ok(())
}

/// Starts every part. Daemons that do not need each other are started together and then waited for.
fn start(site: &Site) -> Result<Option<Node>> {
    if site.profile == Profile::Full {
        step("bridge and cgroups", || {
            machine::create_network()?;
            machine::create_cgroups()
        })?;
    }
    let authority = step("certificates", || Authority::create(site))?;
    let kubectl = Kubectl::of(site)?;
    let (mut anvil, mut etcd) = (chain::start(site)?, control_plane::start_etcd(site)?);
    step("etcd", || control_plane::wait_for_etcd(site, &mut etcd))?;
    let mut server = control_plane::start_api_server(site, &authority)?;
    let images = match site.profile {
        Profile::Full => Some(start_registry(site)?),
        Profile::ControlPlane | Profile::Bench => None,
    };
    step("API server", || control_plane::wait_for_api_server(&kubectl, &mut server))?;
    let mut controllers = control_plane::start_controller_manager(site, &authority)?;
    let described = match images {
        Some(images) => Some(start_node(site, &authority, &kubectl, &images)?),
        None => None,
    };
    step("controllers", || control_plane::wait_for_controllers(&kubectl, &mut controllers))?;
    step("chain", || chain::wait(site, &mut anvil))?;
    Ok(described)
}

fn start_registry(site: &Site) -> Result<Images> {
    let mut registries = node::start_registries(site)?;
    step("image registries", || node::wait_for_registries(site, &mut registries))?;
    step("images", || images::push_all(&site.registry()))
}

fn start_node(site: &Site, authority: &Authority<'_>, kubectl: &Kubectl, images: &Images) -> Result<Node> {
    // Traefik is large, and nothing waits for it before the last steps.
    let registry = site.registry();
    let traefik = std::thread::spawn(move || images::push_tool(&registry, Tool::Traefik, "traefik"));
    let mut containerd = node::start_containerd(site, images)?;
    control_plane::start_scheduler(site, authority)?;
    addons::apply_rbac(kubectl)?;
    step("containerd", || node::wait_for_containerd(site, &mut containerd))?;
    let mut kubelet = node::start_kubelet(site, authority)?;
    step("Calico's kinds and settings", || addons::apply_calico(kubectl))?;
    let mut felix = node::start_felix(site, authority)?;
    addons::apply(site, images, kubectl)?;
    step("Gateway API's kinds", || addons::apply_gateway_kinds(kubectl))?;
    step("node", || node::wait_for_node(kubectl, &mut kubelet))?;
    // kube-proxy looks for its node only now and then, so it is started when the node is there.
    let mut proxy = node::start_proxy(site, authority)?;
    step("Felix", || node::wait_for_felix(site, &mut felix))?;
    step("kube-proxy", || node::wait_for_proxy(site, &mut proxy))?;
    proof::start(images, kubectl)?;
    let traefik = step("Traefik's image", || {
        traefik.join().map_err(|_| anyhow::anyhow!("the thread that makes the image panicked"))?
    })?;
    addons::apply_gateway(&traefik, kubectl)?;
    step("name server and volumes", || addons::wait(kubectl))?;
    step("gVisor and user namespaces", || proof::check(kubectl))?;
    step("Gateway", || addons::wait_for_gateway(kubectl))?;
    Ok(Node {
        node_name: NODE_NAME.into(),
        node_ip: site.address.to_string(),
        pod_cidr: POD_CIDR.into(),
        service_cidr: SERVICE_CIDR.into(),
        registry: site.registry(),
        busybox_image: images.busybox.clone(),
        containerd_socket: site.containerd_socket(),
        runtime_version: node::check_containerd(site)?,
        sandbox_runtime_class: SANDBOX_RUNTIME_CLASS.into(),
        gateway: Gateway {
            namespace: GATEWAY_NAMESPACE.into(),
            name: GATEWAY_NAME.into(),
            public_domain: PUBLIC_DOMAIN.into(),
            http_url: format!("http://{GATEWAY_SERVICE}"),
            pod_namespace: "traefik".into(),
            pod_labels: BTreeMap::from([("app.kubernetes.io/name".into(), "traefik".into())]),
        },
    })
}

/// Every program that the profile needs, built or fetched first if it is not there.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Those that tests and demos use themselves, by name.
    pub(crate) shown: BTreeMap<String, PathBuf>,
    directories: Vec<PathBuf>,
}

/// Builds or finds every program that the profile needs.
pub(crate) fn programs(profile: Profile) -> Result<Programs> {
    let shown = |tool| match tool {
        Tool::Kubernetes => Some("kubectl"),
        Tool::Helm => Some("helm"),
        Tool::Crane => Some("crane"),
        Tool::Kubeconform => Some("kubeconform"),
        _ => None,
    };
    let mut programs = Programs { shown: BTreeMap::new(), directories: Vec::new() };
    for name in ["anvil", "forge", "cast"] {
        programs.shown.insert(name.to_owned(), tools::foundry(name)?);
    }
    for tool in Tool::ALL {
        if profile != Profile::Full && tool != Tool::Kubernetes {
            continue;
        }
        let directory = tool.directory()?;
        if let Some(name) = shown(tool) {
            programs.shown.insert(name.to_owned(), directory.join(name));
        }
        programs.directories.push(directory);
    }
    Ok(programs)
}

/// Changes whenever a tool or a configuration file does.
fn fingerprint(programs: &Programs) -> String {
    let Programs { shown, directories } = programs;
    let paths = shown.values().chain(directories).map(|path| ("path", path.as_os_str().as_encoded_bytes()));
    let configuration = super::CONFIGURATION.iter().map(|(name, text)| (*name, text.as_bytes()));
    Key::of(paths.chain(configuration)).as_str().to_owned()
}

/// The description of a testbed that is up.
pub(crate) fn description(site: &Site) -> Result<Description> {
    match Description::read(site)? {
        Some(description) => Ok(description),
        None => bail!("the testbed is not up: run `cargo xtask testbed up`"),
    }
}
