//! Where the story happens: the testbed of this machine, or a cluster that the user has.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::poll;
use crate::step::note;
use crate::testbed::site::{Profile, Site};
use crate::testbed::{
    self,
    state::{Description, Gateway},
};
use crate::tools;

/// Port of the chain that is started for a cluster of the user's.
const CHAIN_PORT: u16 = 18_545;

/// Everything that the story needs to find.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) kubeconfig: PathBuf,
    pub(super) rpc_url: String,
    pub(crate) registry: String,
    pub(super) node_address: IpAddr,
    pub(super) values: Vec<PathBuf>,
    /// The Gateway, where it is known.
    pub(super) gateway: Option<Gateway>,
    cleanup: Cleanup,
}

#[derive(Debug)]
enum Cleanup {
    /// It was there before; it stays.
    Nothing,
    /// This run brought the testbed up.
    Testbed,
    /// This run started a chain.
    Chain(Child),
}

impl Place {
    /// Where the chain is, and which process has to be ended if it is kept.
    pub(super) fn chain(&self) -> String {
        match &self.cleanup {
            Cleanup::Chain(child) => format!("chain at {} (process {})", self.rpc_url, child.id()),
            Cleanup::Nothing | Cleanup::Testbed => format!("chain at {}", self.rpc_url),
        }
    }

    /// Says what a failed story leaves in a cluster that is not ours to take down.
    pub(super) fn say_what_stays(&self) {
        if matches!(self.cleanup, Cleanup::Chain(_)) {
            note(
                "the chart and its leases stay in your cluster to be looked into, if they were installed; `helm uninstall \
                 leasehold --namespace leasehold-system` removes the chart",
            );
        }
    }

    /// Ends what this run started.
    pub(crate) fn clean_up(self) -> Result<()> {
        match self.cleanup {
            Cleanup::Nothing => Ok(()),
            Cleanup::Testbed => super::take_down(),
            Cleanup::Chain(mut child) => {
                child.kill().context("failed to end the chain")?;
                child.wait().context("failed to await the chain's end").map(drop)
            }
        }
    }
}

/// The testbed; it is taken down at the end unless it was up before.
pub(crate) fn of_the_testbed() -> Result<Place> {
    let site = Site::of(Profile::Full)?;
    let was_up = Description::read(&site)?.is_some();
    let brought_up = testbed::up(&site).and_then(|description| {
        let node = description.node.context("the testbed has no node")?;
        let cleanup = if was_up { Cleanup::Nothing } else { Cleanup::Testbed };
        Ok(Place {
            kubeconfig: description.kubeconfig,
            rpc_url: description.rpc_url,
            registry: node.registry,
            node_address: node.node_ip.parse().context("the node's address is none")?,
            values: Vec::new(),
            gateway: Some(node.gateway),
            cleanup,
        })
    });
    brought_up.map_err(|failure| {
        if was_up || !site.state.exists() {
            return failure;
        }
        match super::take_down() {
            Ok(()) => failure,
            Err(left) => {
                failure.context(format!("failed to take the testbed down ({left:#}) after a failure"))
            }
        }
    })
}

/// A cluster of the user's, with a chain of our own on this machine.
pub(super) fn of_the_user(
    kubeconfig: PathBuf,
    registry: String,
    host: IpAddr,
    node_address: IpAddr,
    values: Vec<PathBuf>,
) -> Result<Place> {
    let mut child = Command::new(tools::foundry("anvil")?)
        .args(["--host", &host.to_string(), "--port", &CHAIN_PORT.to_string()])
        .args(["--block-time", "1", "--slots-in-an-epoch", "1", "--quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("failed to start anvil")?;
    let address = SocketAddr::new(host, CHAIN_PORT);
    let answered = poll(Duration::from_secs(30), || {
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("anvil ended with {status}; is {address} an address of this machine and free?");
        }
        Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok())
    });
    match answered {
        Ok(Some(_)) => {}
        outcome => {
            child.kill().context("failed to end the chain")?;
            child.wait()?;
            outcome?.map(drop).with_context(|| format!("the chain does not answer at {address}"))?;
        }
    }
    let rpc_url = format!("http://{address}");
    Ok(Place {
        kubeconfig,
        rpc_url,
        registry,
        node_address,
        values,
        gateway: None,
        cleanup: Cleanup::Chain(child),
    })
}
