//! `operator dns` on one cluster: follows it and answers until it is told to stop.

use std::sync::Arc;

use kube::Client;
use telemetry::{CancellationToken, Check, Checks, Health};
use tokio::{
    task::{JoinError, JoinSet},
    time::Duration,
};

use super::{
    directory::Directory,
    metrics::DnsMetrics,
    names::Zones,
    resolver::Names,
    server::{Server, Sockets},
    upstream::Upstream,
    watch,
};
use crate::{
    client::Rate,
    public_internet::PublicInternet,
    watches::{WatchTimes, Watches},
};

/// How long it goes on answering after it was told to end: so long may a node still send questions to it.
const FAREWELL: Duration = Duration::from_secs(5);

/// Everything that the name server needs from outside.
pub struct NameServer {
    /// Connection to the API server, for reading.
    pub client: Client,
    /// How long a watch may take for what.
    pub watch_times: WatchTimes,
    /// The port that questions come to.
    pub sockets: Sockets,
    /// Whoever knows the names of the internet.
    pub upstream: Arc<dyn Upstream>,
    /// The provider's domains.
    pub zones: Zones,
    /// Addresses that may be answers.
    pub internet: PublicInternet,
    /// Questions of one pod.
    pub rate: Rate,
    /// Registered metrics.
    pub metrics: DnsMetrics,
}

/// A part of it panicked.
#[derive(Debug, thiserror::Error)]
#[error("failed to keep all parts running")]
pub struct Error(#[source] JoinError);

impl NameServer {
    /// Answers until the token is cancelled, and a little longer.
    pub async fn run(self, health: &Health, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { client, watch_times, sockets, upstream, zones, internet, rate, metrics } = self;
        let caches = health.ready.add("caches", "not synced yet");
        let directory = Directory::default();
        let names = Names::new(directory.clone(), zones, internet, upstream);
        let server = Arc::new(Server::new(directory.clone(), names, rate, metrics.clone()));
        let ended = CancellationToken::new();
        let mut parts = JoinSet::new();
        let watches = Watches::new(client, watch_times, metrics.watches.clone());
        // While the API server is away all replicas are silent, and old answers are better than none: they stay ready.
        let guarded = Health { alive: health.alive.clone(), ready: Checks::new() };
        let mut guards = JoinSet::new();
        guards.spawn(watches.clone().guard(guarded));
        parts.spawn(watch::run(directory.clone(), watches, metrics, ended.clone()));
        parts.spawn(server.serve(sockets, ended.clone()));
        parts.spawn(report(directory, caches, ended.clone()));
        tokio::select! {
            () = shutdown.cancelled() => tokio::time::sleep(FAREWELL).await,
            // None of them ends by itself.
            Some(part) = parts.join_next() => part.map_err(Error)?,
        }
        ended.cancel();
        while let Some(part) = parts.join_next().await {
            part.map_err(Error)?;
        }
        Ok(())
    }
}

/// Says which watches have not listed yet: one without the right to list never does.
async fn report(directory: Directory, check: Check, ended: CancellationToken) {
    let mut interval = tokio::time::interval(Duration::from_millis(500));
    while !ended.is_cancelled() {
        tokio::select! {
            () = ended.cancelled() => return,
            _ = interval.tick() => {}
        }
        let waiting = directory.waiting();
        if waiting.is_empty() {
            check.pass();
            return ended.cancelled().await;
        }
        check.fail(&format!("not listed yet: {} (the log says why)", waiting.join(", ")));
    }
}
