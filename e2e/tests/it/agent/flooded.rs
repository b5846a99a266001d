//! A tenant that refuses and refuses: it is heard no more than it may speak, moves nothing, and holds up nobody.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ::market::{Amount, B256, LeaseId, LeaseState};
use anyhow::{Context, Result, ensure};
use gateway_api::{Decimal, ErrorCode, RefusalReason, StatementRefusal, routes};
use http::Method;
use tokio::task::JoinSet;

use super::{
    gateway::Gateway,
    market::{DEPOSIT, Tenant},
    running::{FIRST, Leased, Running, on_a_cluster},
    stage::eventually,
};

/// Connections that refuse at the same time.
const VOICES: u64 = 4;
/// Requests of each kind that each of them sends at least.
const ROUNDS: u64 = 100;
/// Memory that may be needed for so many, in bytes.
const ROOM: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_flood_of_refusals_moves_nothing_and_holds_up_nobody() -> Result<()> {
    on_a_cluster("flooded", async |cluster| {
        let mut running = Running::begin(cluster, "flooded").await?;
        let neighbour = running.market.another_tenant().await?;
        let other = Leased::begin(cluster, &running.market, &running.agent, neighbour).await?;
        let (gateway, key) = (running.gateway()?, running.leased.tenant.key.clone());
        let now = running.market.now().await?;
        running.leased.stage.report_usage(&running.leased.used(now), now).await?;
        let proposed = gateway.proposal_up_to(&running.agent, &key, running.leased.id, now).await?;
        let generation = running.leased.stage.object().await?.metadata.generation;
        let memory = running.agent.memory()?;

        let flood = Flood::start(&gateway, &running.leased.tenant, running.leased.id, other.id);
        settles(&running, &other, &gateway).await?;
        ensure!(gateway.proposal(&running.leased.tenant.session, running.leased.id).await? == proposed);
        running.run_into_suspension().await?;
        let answers = flood.stop().await?;

        // What was heard was counted, and what was not is answered with a reason.
        let heard = answers.get(&(Kind::Valid, None)).copied().unwrap_or_default();
        ensure!(answers.keys().all(|(kind, code)| kind.may_be_answered(*code)), "{answers:?}");
        for kind in Kind::ALL {
            let of_it = |((found, _), count): (&(Kind, _), &u64)| (*found == kind).then_some(*count);
            ensure!(
                answers.iter().filter_map(of_it).sum::<u64>() >= VOICES * ROUNDS,
                "{kind:?}: {answers:?}"
            );
        }
        ensure!(answers.contains_key(&(Kind::Foreign, Some(ErrorCode::Foreign))), "{answers:?}");
        ensure!(heard > 0 && answers.contains_key(&(Kind::Valid, Some(ErrorCode::TooManyRequests))));
        let counted = running.agent.counted("agent_statement_refusals_total").await?;
        ensure!(counted == heard, "{counted} are counted of {heard} that were heard");
        let said = running.agent.said("refuses to sign a statement")?;
        ensure!(said >= 1 && (said as u64) * 20 < heard, "{heard} refusals are told in {said} lines");
        // It was written twice: when the suspension was announced and when it came. On chain are the bids, the starts, and
        // what the neighbour's end takes.
        let written = running.leased.stage.object().await?.metadata.generation;
        ensure!(written == generation.map(|before| before + 2), "{written:?} after {generation:?}");
        ensure!(running.market.nonces().await? == (6, 6), "{:?} is sent", running.market.nonces().await?);
        let more = running.agent.memory()?.saturating_sub(memory);
        ensure!(more < ROOM, "{more} bytes more for {answers:?}");
        running.agent.kill().await
    })
    .await
}

/// The neighbour's lease ends and is paid for to the unit, whatever the other one does.
async fn settles(running: &Running<'_>, other: &Leased<'_>, gateway: &Gateway) -> Result<()> {
    let (market, agent) = (&running.market, &running.agent);
    ensure!(market.now().await? < running.leased.started_at.saturating_add(FIRST / 4), "it took too long");
    market.close_as(&other.tenant, other.id).await?;
    let has_ended = async || Ok(other.stage.object().await?.spec.desired == crd::DesiredState::Ended);
    eventually("the neighbour's end", agent, has_ended).await?;
    let lease = market.lease(other.id).await?;
    let used = other.used(lease.end_at);
    other.stage.report_final(&used, lease.end_at).await?;
    let statement = gateway.countersign(agent, &other.tenant, other.id, lease.end_at).await?;
    let owed = other.owed(&used, &lease);
    ensure!(statement.last && statement.amount_cum == owed && !owed.is_zero(), "{statement:?}, not {owed}");
    let is_closed = async || Ok(market.lease(other.id).await?.state == LeaseState::Closed);
    eventually("the neighbour's close", agent, is_closed).await?;
    let accounts = (market.account(market.provider()).await?, market.account(&other.tenant.key).await?);
    ensure!(accounts == (owed, DEPOSIT.saturating_sub(owed)), "{accounts:?} after {owed}");
    Ok(())
}

/// What is wrong with a request of the flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Nothing.
    Valid,
    /// Its body is no refusal.
    Malformed,
    /// It is about a lease of somebody else's.
    Foreign,
    /// It is about no lease.
    Unknown,
    /// It was signed for another path.
    Forged,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Valid, Self::Malformed, Self::Foreign, Self::Unknown, Self::Forged];

    fn may_be_answered(self, code: Option<ErrorCode>) -> bool {
        match self {
            Self::Valid => matches!(code, None | Some(ErrorCode::TooManyRequests)),
            Self::Malformed => {
                matches!(code, Some(ErrorCode::MalformedBody | ErrorCode::TooManyRequests))
            }
            // The neighbour's lease is soon over, and then forgotten.
            Self::Foreign => {
                matches!(code, Some(ErrorCode::Foreign | ErrorCode::LeaseEnded | ErrorCode::UnknownLease))
            }
            Self::Unknown => code == Some(ErrorCode::UnknownLease),
            Self::Forged => code == Some(ErrorCode::BadSignature),
        }
    }
}

type Answers = HashMap<(Kind, Option<ErrorCode>), u64>;

/// A tenant that sends one refusal after the other.
struct Flood {
    voices: JoinSet<Result<Answers>>,
    enough: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Voice {
    gateway: Gateway,
    tenant: Tenant,
    own: LeaseId,
    other: LeaseId,
}

impl Flood {
    fn start(gateway: &Gateway, tenant: &Tenant, own: LeaseId, other: LeaseId) -> Self {
        let (mut voices, enough) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        let voice = Voice { gateway: gateway.clone(), tenant: tenant.clone(), own, other };
        for _ in 0..VOICES {
            let (voice, enough) = (voice.clone(), Arc::clone(&enough));
            voices.spawn(async move { voice.speak(&enough).await });
        }
        Self { voices, enough }
    }

    /// Ends it, and adds up what was answered.
    async fn stop(mut self) -> Result<Answers> {
        self.enough.store(true, Ordering::Relaxed);
        let mut all = Answers::new();
        while let Some(answers) = self.voices.join_next().await {
            for (answer, count) in answers.context("a voice failed")?? {
                *all.entry(answer).or_default() += count;
            }
        }
        Ok(all)
    }
}

impl Voice {
    async fn speak(self, enough: &AtomicBool) -> Result<Answers> {
        let mut answers = Answers::new();
        for round in 0.. {
            if round >= ROUNDS && enough.load(Ordering::Relaxed) {
                break;
            }
            for kind in Kind::ALL {
                let code = self.refuse(kind, round).await?;
                *answers.entry((kind, code)).or_default() += 1;
            }
        }
        Ok(answers)
    }

    async fn refuse(&self, kind: Kind, round: u64) -> Result<Option<ErrorCode>> {
        let lease = match kind {
            Kind::Foreign => self.other,
            Kind::Unknown => LeaseId(B256::random()),
            Kind::Valid | Kind::Malformed | Kind::Forged => self.own,
        };
        let body = match kind {
            Kind::Malformed => format!("{{\"reason\": \"{}\"}}", "because ".repeat(100)).into_bytes(),
            Kind::Valid | Kind::Foreign | Kind::Unknown | Kind::Forged => {
                serde_json::to_vec(&refusal(Amount(u128::from(round))))?
            }
        };
        let path = routes::statement_refusal(lease);
        let signed_path = if kind == Kind::Forged { routes::statement(lease) } else { path.clone() };
        let header = self.gateway.header(&self.tenant.key, &Method::PUT, &signed_path, &body)?;
        self.gateway.send_with(&header, Method::PUT, &path, body).await?.refusal()
    }
}

/// No two are alike.
fn refusal(largest: Amount) -> StatementRefusal {
    StatementRefusal {
        reason: RefusalReason::AmountAboveUsage,
        proposed_cum: Decimal(u128::MAX),
        as_of: u64::MAX,
        usage_hash: B256::random(),
        largest_accepted_cum: Decimal(largest.0),
    }
}
