//! `leasehold agent`: watch every lease of this home, and settle it as its tenant would.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chain::rpc::At;
use futures::FutureExt as _;
use market::{LeaseId, LeaseState};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use url::Url;

use crate::agent::{Config, DisputeRule, Env, LeaseTerms, Left, Outlet, Pace, follow};
use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};

/// How long the webhook may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Settings, and what is wanted of single leases
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this lease; may be given several times [default: every lease of this home that is not closed]
    #[arg(long = "lease", value_name = "LEASE")]
    leases: Vec<LeaseId>,
    /// Seconds between two looks at a lease [default: 30]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: Option<u64>,
    /// Tokens that are signed for in all, for each lease [default: what the lease holds]
    #[arg(long, value_name = "AMOUNT")]
    budget: Option<String>,
    /// How much more than this side's own figure is accepted, in base units of the token [default: 0]
    #[arg(long)]
    tolerance: Option<u64>,
    /// The same as a share of the figure, in hundredths of a per cent [default: 0]
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    tolerance_bps: Option<u16>,
    /// What to do about a claim that is too high [default: tell]
    #[arg(long, value_enum)]
    disputes: Option<DisputeRule>,
    /// Warnings are posted to this address, as JSON
    #[arg(long, value_name = "URL")]
    webhook: Option<Url>,
    /// Look once at each lease and end
    #[arg(long)]
    once: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { config, leases, interval, budget, tolerance, tolerance_bps, disputes, webhook, once } = args;
    let flags = LeaseTerms { budget, tolerance, tolerance_bps, disputes };
    let config = Config::load(config.as_deref())?.with_flags(interval, webhook, flags);
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    config.check_amounts(&money)?;
    for lease in &leases {
        context.home.lease(*lease)?;
    }
    let _alone = context.home.lock_agent()?;
    let wallet = match context.key_file {
        Some(_) => {
            let key = context.key()?;
            Some((key.address(), Wallet::new(&chain, key)))
        }
        None => None,
    };
    if wallet.is_none() && config.may_dispute() {
        eprintln!("no key is chosen (--key-file), so claims that are too high are told and not disputed");
    }
    let windows = chain.windows(At::Latest).await.context("failed to read the market's windows")?;
    let (outlet, webhook) = Outlet::new(context.output, money, config.webhook.clone())?;
    let webhook = tokio::spawn(webhook);
    let env = Arc::new(Env { home: context.home.clone(), chain, config, outlet, windows, wallet });
    let result = match once {
        true => look_once(&env, &leases).await,
        false => watch(&env, &leases).await,
    };
    // The webhook's worker ends once nobody can tell it anything more and it has told what it knows.
    drop(env);
    match tokio::time::timeout(LAST_WORDS, webhook).await {
        Ok(ended) => ended.context("the webhook's worker failed")?,
        Err(_) => eprintln!("the webhook is too slow; it was not told everything"),
    }
    result
}

async fn look_once(env: &Arc<Env>, only: &[LeaseId]) -> anyhow::Result<()> {
    let mut looks = JoinSet::new();
    for id in Leases::new(only).unfollowed(env).await? {
        looks.spawn(follow(Arc::clone(env), id, Pace::Once));
    }
    let (mut refused, mut unanswered) = (0, 0);
    while let Some(left) = looks.join_next().await {
        match left.context("a look failed")? {
            Ok(Left::Refused) => refused += 1,
            Ok(Left::Unanswered) => unanswered += 1,
            Ok(Left::Closed | Left::Well) => {}
            Err(error) => {
                eprintln!("{error:#}");
                unanswered += 1;
            }
        }
    }
    let stop = |kind, text: String| Err(Stop::new(kind, text).into());
    match (refused, unanswered) {
        (0, 0) => Ok(()),
        (0, leases) => stop(Kind::TimedOut, format!("{leases} leases could not be looked at in full")),
        (leases, _) => stop(Kind::Refused, format!("the statements of {leases} leases are refused")),
    }
}

async fn watch(env: &Arc<Env>, only: &[LeaseId]) -> anyhow::Result<()> {
    let mut stop = signal(SignalKind::terminate()).context("failed to wait for SIGTERM")?;
    let mut leases = Leases::new(only);
    let mut following = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(env.config.interval));
    loop {
        tokio::select! {
            _ = ticks.tick() => match leases.unfollowed(env).await {
                Ok(found) => for id in found {
                    let followed = follow(Arc::clone(env), id, Pace::UntilClosed);
                    following.spawn(followed.map(move |left| (id, left)));
                },
                Err(error) => eprintln!("will look for leases again: {error:#}"),
            },
            Some(left) = following.join_next() => {
                let (id, left) = left.context("a watcher failed")?;
                if let Err(error) = left {
                    eprintln!("{id}: will begin again: {error:#}");
                    leases.forget(id);
                }
            }
            _ = stop.recv() => return Ok(()),
            interrupted = tokio::signal::ctrl_c() => {
                return interrupted.context("failed to wait for Ctrl-C");
            }
        }
    }
}

/// Which leases of this home are followed or over.
struct Leases<'a> {
    only: &'a [LeaseId],
    known: BTreeSet<LeaseId>,
}

impl<'a> Leases<'a> {
    fn new(only: &'a [LeaseId]) -> Self {
        Leases { only, known: BTreeSet::new() }
    }

    fn forget(&mut self, id: LeaseId) {
        self.known.remove(&id);
    }

    /// The leases that are on chain, not closed, and not followed yet. They count as followed from now on.
    async fn unfollowed(&mut self, env: &Env) -> anyhow::Result<Vec<LeaseId>> {
        let mut candidates = Vec::new();
        for id in env.home.lease_ids()? {
            let is_wanted = self.only.is_empty() || self.only.contains(&id);
            if !is_wanted || self.known.contains(&id) {
                continue;
            }
            let deployment = env.chain.deployment();
            match env.home.find_lease(id) {
                Ok(Some(record))
                    if (record.chain_id, record.market) == (deployment.chain_id, deployment.market) =>
                {
                    candidates.push(id);
                }
                Ok(_) => {}
                // One record that cannot be read must not keep the others from being watched.
                Err(error) => {
                    eprintln!("{id} is not watched: {error:#}");
                    self.known.insert(id);
                }
            }
        }
        let mut found = Vec::new();
        // The contract answers for many leases at once, but a node bounds the gas of a call.
        for ids in candidates.chunks(200) {
            for (id, lease) in ids.iter().zip(env.chain.get_leases(ids, At::Latest).await?) {
                // One that is not open yet may be so the next time.
                if lease.state != LeaseState::None {
                    self.known.insert(*id);
                }
                if !matches!(lease.state, LeaseState::None | LeaseState::Closed) {
                    found.push(*id);
                }
            }
        }
        Ok(found)
    }
}
