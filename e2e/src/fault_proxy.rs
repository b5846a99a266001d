//! A reverse proxy between one client, such as an `operator run` process, and a real API server, which can go wrong on purpose.
//!
//! It speaks plain HTTP on loopback and adds the identity of its upstream configuration, so the client needs no credentials:
//!
//! ```no_run
//! # async fn example(upstream: kube::Config) -> anyhow::Result<()> {
//! use e2e::fault_proxy::{FaultProxy, Link, Moment, Watches};
//!
//! // `upstream` says who the client is, for example by impersonation.
//! let proxy = FaultProxy::start(upstream).await?;
//! std::fs::write("kubeconfig", proxy.kubeconfig())?;
//! // Start the client with KUBECONFIG=kubeconfig, wait until it is quiet, then:
//! proxy.count_from_one();
//! let stop = proxy.stop_at(3, Moment::BeforeAnswer);
//! let stopped = stop.reached().await?; // The API server has done the third call, and nothing else gets through.
//! // Kill the client here, or let somebody else act, then either of:
//! stopped.disconnect(); // The call's answer is lost with every connection: the client is dead.
//! // stopped.release();    // It goes on as if it had only been slow.
//!
//! proxy.set_link(Link::Refused); // The API server is away: connections break and new ones are closed.
//! proxy.set_link(Link::Silent); // It takes requests and never answers.
//! proxy.set_link(Link::Open);
//! proxy.set_watches(Watches::Stalled); // Open watches stay open and tell nothing more.
//! proxy.set_watches(Watches::Flowing);
//! proxy.cut_watches(50); // Cuts 50 watch streams: those that are open, then each as it is opened.
//! # Ok(())
//! # }
//! ```
//!
//! Calls are numbered from one in the order in which they arrive. Watches and the calls of the leader's election pass unnumbered:
//! they come by the clock and not by what the client has to do. The proxy never changes what passes, and never repeats a call.

mod call;
mod control;
mod serve;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use kube::{Client, Config};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub use self::call::{Call, CallKind};
use self::control::{Control, Verdict};

/// When a numbered call is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// The API server never hears of it.
    BeforeRequest,
    /// The API server has done it, and the client does not know.
    BeforeAnswer,
    /// The answer was handed to the client's connection.
    AfterAnswer,
}

/// What becomes of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// They work.
    #[default]
    Open,
    /// They break, and new ones are closed at once.
    Refused,
    /// They stay, and nothing is answered.
    Silent,
}

/// What becomes of open watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watches {
    /// Their events arrive.
    #[default]
    Flowing,
    /// They stay open, and nothing arrives.
    Stalled,
}

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    control: Arc<Control>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// A call that is to be stopped.
#[derive(Debug)]
pub struct Stop(oneshot::Receiver<Stopped>);

/// A call that is stopped, with everything that comes after it, until this is used or dropped.
#[derive(Debug)]
pub struct Stopped {
    call: Call,
    verdict: Option<oneshot::Sender<Verdict>>,
    control: Arc<Control>,
}

impl FaultProxy {
    /// Listens on a free port of loopback and passes everything on as `upstream` says.
    pub async fn start(mut upstream: Config) -> Result<Self> {
        // What the client does not repeat must not be repeated here.
        upstream.default_retry = false;
        let client = Client::try_from(upstream).context("the upstream of the fault proxy is not usable")?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to listen on loopback")?;
        let address = listener.local_addr().context("failed to learn the fault proxy's port")?;
        let control = Arc::new(Control::default());
        let server = tokio::spawn(serve::serve(listener, client, control.clone()));
        Ok(Self { control, address, server })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig for the client, without credentials.
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url()}}],
            "users": [{"name": "whoever-the-proxy-is", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "whoever-the-proxy-is"}}],
            "current-context": "proxy",
        })
        .to_string()
    }

    /// Forgets the calls so far, and a stop that was not reached: the next call is the first.
    pub fn count_from_one(&self) {
        self.control.count_from_one();
    }

    /// The numbered calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.control.calls()
    }

    /// How many calls of the election the API server granted so far: above zero, its client is or was the leader.
    pub fn elections(&self) -> u64 {
        self.control.elections()
    }

    /// Paths of the watches that are open now, sorted.
    pub fn watches(&self) -> Vec<String> {
        self.control.watches()
    }

    /// Waits until something was called, answered, or a watch opened or closed, since the last time.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.control.changes()
    }

    /// Stops a call by its number, and everything that comes after it. One stop at a time: a new one replaces the old.
    pub fn stop_at(&self, number: usize, moment: Moment) -> Stop {
        let (sender, receiver) = oneshot::channel();
        self.control.arm(number, moment, sender);
        Stop(receiver)
    }

    /// Changes what becomes of connections.
    pub fn set_link(&self, link: Link) {
        self.control.set_link(link);
    }

    /// Changes what becomes of open watches.
    pub fn set_watches(&self, watches: Watches) {
        self.control.set_watches(watches);
    }

    /// Cuts this many watch streams: all that are open first, then each new one as it is opened.
    pub fn cut_watches(&self, count: usize) {
        self.control.cut_watches(count);
    }

    /// How many of them are still to be cut.
    pub fn cuts_left(&self) -> usize {
        self.control.cuts_left()
    }

    /// Breaks all connections of a client that is dead, so that nothing of it arrives late.
    pub fn disconnect(&self) {
        self.control.disconnect();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.control.disconnect();
        self.server.abort();
    }
}

impl Stop {
    /// Waits until the call is stopped; an error if counting began anew before.
    pub async fn reached(self) -> Result<Stopped> {
        self.0.await.context("the call was not made")
    }
}

impl Stopped {
    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Whether the client gave the call up meanwhile.
    pub fn is_abandoned(&self) -> bool {
        self.verdict.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Waits until the client gives the call up.
    pub async fn abandoned(&mut self) {
        if let Some(verdict) = &mut self.verdict {
            verdict.closed().await;
        }
    }

    /// Lets the call and everything after it go on.
    pub fn release(mut self) {
        if let Some(verdict) = self.verdict.take() {
            // Whoever made the call may be gone, which is as good.
            let _ = verdict.send(Verdict::GoOn);
        }
    }

    /// Breaks all connections, this call's too: their client is dead. The next client's calls pass.
    pub fn disconnect(self) {
        self.control.disconnect();
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.verdict.take());
        self.control.thaw();
    }
}

#[cfg(test)]
mod tests;
