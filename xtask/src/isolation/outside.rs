//! A world outside of the cluster that only pods see: metadata services and a public address, in a network namespace.
//!
//! The routes to them are for packets from pods alone, so the machine itself goes on as before.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::process::output;
use crate::testbed::site::POD_CIDR;

/// Metadata services of clouds.
pub(super) const METADATA: [&str; 3] = ["169.254.169.254", "168.63.129.16", "100.100.100.200"];
/// An address that looks public. It never leaves this machine.
pub(super) const PUBLIC: &str = "11.199.0.1";
const NAMESPACE: &str = "leasehold-outside";
const NEAR: &str = "lhoutside0";
const FAR: &str = "lhoutside1";
const NEAR_ADDRESS: &str = "10.199.1.1";
const FAR_ADDRESS: &str = "10.199.1.2";
/// Number of the routing table; no other program of a machine is known to use it.
const ROUTES: &str = "1990";
const TCP: &str = "0.0.0.0:80,0.0.0.0:443,0.0.0.0:25,0.0.0.0:465,0.0.0.0:587,0.0.0.0:53,0.0.0.0:853";
/// Takes whatever comes: the port of the discard protocol, RFC 863.
const SINK: &str = "0.0.0.0:9";
/// One address, because an answer must come from the address that was asked.
const UDP: &str = "11.199.0.1:53,11.199.0.1:853";

/// The namespace and the server in it.
#[derive(Debug)]
pub(super) struct Outside {
    server: Child,
}

impl Outside {
    /// Makes it, and removes what an earlier run may have left.
    pub(super) fn make(probe: &Path) -> Result<Self> {
        remove();
        let made = build().and_then(|()| start(probe));
        if made.is_err() {
            remove();
        }
        made.map(|server| Self { server })
    }

    /// Ends the server and removes the namespace, its devices and its routes.
    pub(super) fn remove(mut self) -> Result<()> {
        let ended = self.server.kill().and_then(|()| self.server.wait());
        remove();
        ended.context("failed to end the server outside").map(drop)
    }
}

/// Every address that it answers at.
pub(super) fn addresses() -> impl Iterator<Item = &'static str> {
    METADATA.into_iter().chain([PUBLIC])
}

fn build() -> Result<()> {
    ip(&["netns", "add", NAMESPACE])?;
    ip(&["link", "add", NEAR, "type", "veth", "peer", "name", FAR, "netns", NAMESPACE])?;
    ip(&["address", "add", &format!("{NEAR_ADDRESS}/30"), "dev", NEAR])?;
    ip(&["link", "set", NEAR, "up"])?;
    let inside = |arguments: &[&str]| ip(&[&["-n", NAMESPACE], arguments].concat());
    inside(&["link", "set", "lo", "up"])?;
    inside(&["address", "add", &format!("{FAR_ADDRESS}/30"), "dev", FAR])?;
    inside(&["link", "set", FAR, "up"])?;
    inside(&["route", "add", "default", "via", NEAR_ADDRESS])?;
    for address in addresses() {
        let _: IpAddr = address.parse().with_context(|| format!("{address} is no address"))?;
        inside(&["address", "add", &format!("{address}/32"), "dev", "lo"])?;
        ip(&["route", "add", &format!("{address}/32"), "via", FAR_ADDRESS, "table", ROUTES])?;
    }
    // The answers come from addresses that the main table would look for elsewhere.
    std::fs::write(format!("/proc/sys/net/ipv4/conf/{NEAR}/rp_filter"), "2")
        .context("failed to let answers in")?;
    ip(&["rule", "add", "from", POD_CIDR, "lookup", ROUTES])
}

fn start(probe: &Path) -> Result<Child> {
    Command::new("ip")
        .args(["netns", "exec", NAMESPACE])
        .arg(probe)
        .args(["serve", "--tcp", TCP, "--udp", UDP, "--sink", SINK])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("failed to start the server outside")
}

/// What is not there needs no removing, so failures say nothing.
fn remove() {
    for arguments in [
        &["rule", "delete", "from", POD_CIDR, "lookup", ROUTES][..],
        &["route", "flush", "table", ROUTES],
        &["link", "delete", NEAR],
        &["netns", "delete", NAMESPACE],
    ] {
        drop(ip(arguments));
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    output(Command::new("ip").args(arguments)).map(drop)
}
