//! Wires the parts together and runs the core's loop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use chain::rpc::At;
use chain::{ChainClient, Deployment, HotKey, Rpc, SenderConfig, TxSender};
use gateway_api::auth::MAX_SKEW_SECONDS;
use market::{Timestamp, U256, Windows};
use telemetry::{AdminServer, CancellationToken, Checks, Registry};
use tokio::sync::{OnceCell, mpsc};

use crate::agent::{Effect, Event, Rules, State, step};
use crate::bidding::Policy;
use crate::cluster::{ClusterCache, follow_compute_leases};
use crate::config::{Config, Seconds};
use crate::effects::{Effects, Shared};
use crate::follow::Follow;
use crate::gate::GateRules;
use crate::gateway::connections::{Bounded, bound_requests};
use crate::gateway::{self, Gateway, tls};
use crate::inbox::{AgentHandle, Callers, Message, QUEUE};
use crate::journal::ConfigMapJournal;
use crate::metrics::Metrics;
use crate::series::Series;
use crate::settling::SettlingRules;
use crate::standing::StandingWatch;
use crate::{clock, key, pricing};

/// Time for requests and transactions on their way when the process ends.
const GRACE: Duration = Duration::from_secs(10);
/// Connections to the gateway that may be open at a time.
const CONNECTIONS: usize = 1024;
/// Time for a request's head, and for a connection without a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
const CHAIN_RETRY: Duration = Duration::from_secs(3);

/// Runs the agent until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let started_at = clock::now();
    let operator_key = key::load(&config.provider.operator_key_file)?;
    let deployment = deployment(&config)?;
    let policy = Policy::new(&config, operator_key.address(), deployment.token, deployment.token_decimals)?;
    tracing::info!(operator = %operator_key.address(), provider = %policy.provider, "starting");

    let registry = Registry::new();
    let metrics = Metrics::new(&registry)?;
    let ready = Checks::new();
    let chain_check = ready.add("chain", "not connected yet");
    let standing_check = ready.add("provider", "not looked up yet");
    let cluster_check = ready.add("cluster", "nodes, pods and storage classes are not listed yet");
    let gateway_check = ready.add("gateway", "not opened yet");
    let journal_check = ready.add("journal", "not read yet, so nothing is sent (the log says why)");
    let admin = AdminServer::bind(config.admin.listen).await?;
    let admin = tokio::spawn(admin.serve(registry, Checks::new(), ready, shutdown.clone()));

    let rpc = Rpc::dial_several(config.chain.nodes(), config.chain.quorum())
        .context("failed to prepare the chain connection")?
        .watched(metrics.watch_nodes(config.chain.node_count()));
    let chain = ChainClient::unchecked(rpc.clone(), deployment);
    let Some(windows) = connect(&chain, &chain_check, &shutdown).await else { return Ok(()) };

    let kubernetes =
        kube::Client::try_default().await.context("failed to configure the Kubernetes client")?;
    let cache = ClusterCache::start(&kubernetes, config.kubernetes.tenant_nodes.clone(), &shutdown);
    let (messages, inbox) = mpsc::channel(QUEUE);
    let agent = AgentHandle::new(messages);

    let sender_config =
        SenderConfig { poll_interval: duration(config.chain.poll_interval), ..SenderConfig::default() };
    let journal =
        ConfigMapJournal::new(kubernetes.clone(), &config.kubernetes.namespace, &config.kubernetes.journal);
    let sender =
        TxSender::spawn_with_journal(rpc.clone(), deployment, operator_key.clone(), sender_config, journal);
    tokio::spawn(pass_when_open(sender.clone(), journal_check));
    let rival = tokio::spawn(watch_for_a_rival(sender.clone(), shutdown.clone()));
    let (series, keeper) = match config.series.settings() {
        Some(settings) => {
            let (series, keeper) = Series::new(settings, metrics.clone());
            (series, Some(keeper))
        }
        None => (Series::none(), None),
    };
    // Ends after the core, whose last effects still bring usage.
    let remembered = CancellationToken::new();
    let remembering = keeper.map(|keeper| tokio::spawn(keeper.run(remembered.clone())));
    let effects = Effects::new(Shared {
        sender,
        chain: chain.clone(),
        key: operator_key.clone(),
        provider: policy.provider,
        kubernetes: kubernetes.clone(),
        namespace: config.kubernetes.namespace.clone(),
        cache: cache.clone(),
        agent: agent.clone(),
        metrics: metrics.clone(),
        series: series.clone(),
        inherited_by: OnceCell::new(),
    });

    let follow = Follow {
        rpc,
        deployment,
        provider: policy.provider,
        operator: operator_key.address(),
        poll_interval: duration(config.chain.poll_interval),
        confirmations: config.chain.confirmations,
        max_head_age: config.chain.max_head_age.0,
        agent: agent.clone(),
        metrics: metrics.clone(),
        check: chain_check,
    };
    tokio::spawn(follow.run(shutdown.clone()));
    let standing = StandingWatch {
        chain: chain.clone(),
        provider: policy.provider,
        operator: operator_key.address(),
        low_gas_balance: U256::from(config.chain.low_gas_balance_wei),
        metrics: metrics.clone(),
        check: standing_check,
    };
    tokio::spawn(standing.run(shutdown.clone()));
    let namespace = config.kubernetes.namespace.clone();
    tokio::spawn(follow_compute_leases(kubernetes.clone(), namespace, agent.clone(), shutdown.clone()));
    tokio::spawn(tick(config.chain.poll_interval, agent.clone(), cache, cluster_check, shutdown.clone()));

    let settings = gateway_settings(&config, &chain, &policy, started_at);
    let gateway = Gateway::new(agent, kubernetes, series, settings);
    let serving = serve(config.clone(), operator_key, gateway, started_at, gateway_check, shutdown.clone());
    let gateway = tokio::spawn(serving);

    let state = State::new(rules(&config, policy, &chain, windows)?);
    let core = Core::new(state, effects, metrics, deployment.token_decimals);
    core.run(inbox, shutdown.clone()).await;
    shutdown.cancel();
    remembered.cancel();
    if let Some(remembering) = remembering {
        remembering.await.context("the keeper of the usage series ended badly")?;
    }
    gateway.await.context("the gateway's task ended badly")??;
    admin.await.context("the admin server's task ended badly")??;
    rival.await.context("the watch for another agent ended badly")?
}

/// Passes the check once the journal of transactions was read. It never closes again.
async fn pass_when_open(sender: TxSender, check: telemetry::Check) {
    if sender.opened().await.is_ok() {
        check.pass();
    }
}

/// Ends the process when another one sends with its key: two would only disturb each other.
async fn watch_for_a_rival(sender: TxSender, shutdown: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        () = sender.taken_over() => {
            shutdown.cancel();
            anyhow::bail!("another agent with the same operator key has started; only one may run")
        }
    }
}

/// The core with its surroundings.
pub struct Core {
    state: State,
    callers: Callers,
    effects: Effects,
    metrics: Metrics,
    /// Of the token that prices are in.
    decimals: u8,
}

impl Core {
    /// A core that has learnt nothing yet.
    pub fn new(state: State, effects: Effects, metrics: Metrics, decimals: u8) -> Self {
        Self { state, callers: Callers::default(), effects, metrics, decimals }
    }

    /// Takes one message after the other until shutdown.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Message>, shutdown: CancellationToken) {
        loop {
            let message = tokio::select! {
                () = shutdown.cancelled() => break,
                message = inbox.recv() => message,
            };
            match message {
                Some(message) => self.handle(message),
                None => break,
            }
        }
        // Effects still deliver their outcomes; nobody acts on them any more, the next process finds them on chain and in the cluster.
        let finish = async {
            let drain = async { while inbox.recv().await.is_some() {} };
            tokio::select! {
                () = self.effects.finish() => {}
                () = drain => {}
            }
        };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::warn!("some effects did not end in time; the next start picks them up");
        }
    }

    fn handle(&mut self, message: Message) {
        let event = match message {
            Message::Event(event) => *event,
            Message::Look { lease, reply } => {
                // A caller that hung up needs no answer.
                drop(reply.send(self.state.lease_view(lease)));
                return;
            }
            Message::Request { request, reply } => self.callers.admit(request, reply),
        };
        let is_tick = event == Event::Tick;
        for effect in step(&mut self.state, event, clock::now()) {
            match effect {
                Effect::Answer { reply, answer } => self.callers.answer(reply, answer),
                effect => self.effects.start(effect),
            }
        }
        if is_tick {
            let count = |leases| i64::try_from(leases).unwrap_or(i64::MAX);
            self.metrics.leases.set(count(self.state.unfinished_leases()));
            self.metrics.leases_running_out.set(count(self.state.leases_running_out()));
            let unsigned = self.state.unsigned();
            self.metrics.leases_suspended.set(count(unsigned.leases_suspended));
            for (standing, amount) in [
                ("in_time", unsigned.in_time),
                ("announced", unsigned.announced),
                ("suspended", unsigned.suspended),
            ] {
                let millionths = pricing::millionths(amount, self.decimals);
                self.metrics.unacknowledged.with_label_values(&[standing]).set(millionths);
            }
        }
    }
}

/// Waits for a node of the right chain with the right contracts. A node that lies about its chain is asked again, not believed.
async fn connect(
    chain: &ChainClient,
    check: &telemetry::Check,
    shutdown: &CancellationToken,
) -> Option<Windows> {
    loop {
        let read = async {
            chain.check().await?;
            chain.windows(At::Latest).await
        };
        match read.await {
            Ok(windows) => return Some(windows),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to connect to the chain");
                check.fail(&format!("{:#}", anyhow::Error::new(error)));
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(CHAIN_RETRY) => {}
        }
    }
}

async fn tick(
    interval: Seconds,
    agent: AgentHandle,
    cache: ClusterCache,
    check: telemetry::Check,
    shutdown: CancellationToken,
) {
    let mut ticks = tokio::time::interval(duration(interval));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let waiting = cache.waiting();
        if waiting.is_empty() {
            check.pass();
        } else {
            check.fail(&format!("not listed yet: {} (the log says why)", waiting.join(", ")));
        }
        if agent.deliver(Event::Tick).await.is_err() {
            return;
        }
    }
}

async fn serve(
    config: Config,
    operator_key: HotKey,
    gateway: Gateway,
    started_at: Timestamp,
    check: telemetry::Check,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let settings = &config.gateway;
    // What was signed until now may have been answered by the former process, so it would be refused one by one.
    let wait = started_at.saturating_add(MAX_SKEW_SECONDS + 1).seconds_since(clock::now());
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = tokio::time::sleep(Duration::from_secs(wait)) => {}
    }
    let host = settings.public_url.host_str().context("gateway.public_url has no host")?;
    let tls = match (&settings.certificate_file, &settings.key_file) {
        (Some(certificate), Some(key)) => tls::from_files(certificate, key)?,
        _ => tls::DerivedIdentity::new(&operator_key).server_config(host.trim_matches(['[', ']']))?,
    };
    let handle = axum_server::Handle::new();
    let stopper = handle.clone();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        stopper.graceful_shutdown(Some(GRACE));
    });
    tracing::info!(listen = %settings.listen, "gateway listening");
    check.pass();
    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls)));
    let acceptor = Bounded::new(acceptor, CONNECTIONS, HEAD_TIMEOUT);
    let mut server = axum_server::bind(settings.listen).acceptor(acceptor).handle(handle);
    bound_requests(server.http_builder(), HEAD_TIMEOUT);
    server
        .serve(gateway::router(gateway).into_make_service())
        .await
        .with_context(|| format!("failed to serve the gateway on {}", settings.listen))
}

/// The contracts, from the file or from the configuration itself.
pub fn deployment(config: &Config) -> anyhow::Result<Deployment> {
    if let Some(inline) = config.chain.deployment {
        return Ok(Deployment {
            chain_id: inline.chain_id,
            market: inline.market,
            registry: inline.registry,
            token: inline.token,
            token_decimals: inline.token_decimals,
            deployed_block: inline.deployed_block,
            rewards: None,
        });
    }
    let path = config.chain.deployment_file.as_deref().context("chain.deployment_file is missing")?;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read the deployment file {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("failed to parse the deployment file {}", path.display()))
}

/// The core's constants.
pub fn rules(
    config: &Config,
    policy: Policy,
    chain: &ChainClient,
    windows: Windows,
) -> Result<Rules, pricing::Error> {
    let decimals = chain.deployment().token_decimals;
    Ok(Rules {
        policy,
        chain_id: chain.deployment().chain_id,
        market: chain.deployment().market,
        eip712: chain.eip712(),
        windows,
        namespace: config.kubernetes.namespace.clone(),
        max_head_age: config.chain.max_head_age.0,
        decline_margin: config.terms.decline_margin.0,
        settling: SettlingRules::new(&config.settlement, decimals)?,
        countersign_timeout: config.settlement.countersign_timeout.0,
        resync_interval: config.resync.interval.0,
        warn_before: config.settlement.warn_before.0,
        gate: GateRules::new(&config.settlement.gate, decimals)?,
    })
}

fn gateway_settings(
    config: &Config,
    chain: &ChainClient,
    policy: &Policy,
    started_at: Timestamp,
) -> gateway::Settings {
    gateway::Settings {
        provider: policy.provider,
        market: chain.deployment().market,
        chain_id: chain.deployment().chain_id,
        eip712: chain.eip712(),
        tiers: policy.tiers.clone(),
        cluster_domain: config.kubernetes.cluster_domain.clone(),
        request_timeout: duration(config.gateway.request_timeout),
        requests_per_second: config.gateway.requests_per_second,
        request_burst: config.gateway.request_burst,
        started_at,
        clock: clock::now,
    }
}

fn duration(seconds: Seconds) -> Duration {
    Duration::from_secs(seconds.0)
}
