//! The tenant's own client against the provider's own agent: a refusal with its reason, and what becomes of it.

use std::{env, fs, path::Path};

use ::market::LeaseId;
use anyhow::{Context, Result, ensure};
use crd::ComputeLease;
use e2e::leasehold::Leasehold;
use gateway_api::{Decimal, RefusalReason, StatementRefusal};
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{
    market::{MANIFEST, Market},
    process::{Agent, Starter, write_key},
    running::{Leased, Running, SETTINGS, on_a_cluster},
    stage::{Stage, eventually},
};
use crate::cluster::Cluster;

/// How the client ends when it refuses.
const REFUSED: i32 = 8;
/// What the tenant allows, as a client is told it and in base units.
const BUDGET: (&str, u128) = ("0.001", 1_000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_refusal_of_the_tenants_client_is_kept_shown_and_answered_by_a_claim() -> Result<()> {
    on_a_cluster("refused", async |cluster| {
        let (running, client) = deploy(cluster).await?;
        let (id, key) = (running.leased.id, running.leased.tenant.key.clone());
        running.market.anvil().pass(240).await?;
        let now = running.market.now().await?;
        running.leased.stage.report_usage(&running.leased.used(now), now).await?;
        let gateway = running.gateway()?;
        let proposed = gateway.proposal_up_to(&running.agent, &key, id, now).await?;

        let said = client.ends_with(REFUSED, &["agent", "--once", "--budget", BUDGET.0]).await?;
        let expected = json!({
            "event": "refused",
            "leaseId": id.to_string(),
            "reason": "over_budget",
            "proposedCum": proposed.amount_cum.0.to_string(),
            "largestAcceptedCum": BUDGET.1.to_string(),
            "asOf": now.0,
        });
        ensure!(refusals(&said)? == [expected], "{said}");

        let status = gateway.status(&key, id).await?;
        let known = status.acknowledgement.context("nothing is said of what is signed")?;
        let refusal = StatementRefusal {
            reason: RefusalReason::OverBudget,
            proposed_cum: proposed.amount_cum,
            as_of: proposed.as_of,
            usage_hash: proposed.usage_hash,
            largest_accepted_cum: Decimal(BUDGET.1),
        };
        ensure!(
            (known.refusal, known.due_cum, known.acknowledged_cum)
                == (Some(refusal), proposed.amount_cum, Decimal(0)),
            "{known:?}"
        );
        for (label, count) in [("{reason=\"over_budget\"}", 1), ("", 1)] {
            let counted = running.agent.counted(&format!("agent_statement_refusals_total{label}")).await?;
            ensure!(counted == count, "{counted} refusals are counted");
        }
        ensure!(gateway.proposal(&key, id).await? == proposed, "a refusal is no reason to ask for less");

        // What was not signed is claimed with the usage that it is for, and nobody disputes it.
        running.market.anvil().pass(60).await?;
        let (end, owed) = running.run_to_its_end().await?;
        running.sees_claimed(owed).await?;
        let claims = running.market.claims(id).await?;
        ensure!(claims == [(owed, running.leased.used(end))], "{claims:?}");
        ensure!(owed.0 > proposed.amount_cum.0 && proposed.amount_cum.0 > BUDGET.1, "{owed} is owed");
        running.market.anvil().pass(running.market.windows().await?.dispute + 1).await?;
        running.ends_with(owed).await
    })
    .await
}

/// A lease that the client has ordered, opened and filled by itself, at the agent that the registry names.
async fn deploy(cluster: &Cluster) -> Result<(Running<'_>, Leasehold)> {
    let market = Market::start().await?;
    let mut starter = Starter::new(cluster, &market, "refused", SETTINGS).await?;
    market.announce(&starter.uri().await?).await?;
    let agent = starter.start()?;
    let client = client(starter.folder(), &market)?;
    let manifest = starter.folder().join("guestbook.yaml");
    fs::write(&manifest, MANIFEST)?;
    let deploying = {
        let (client, manifest) = (client.clone(), manifest.display().to_string());
        let words = ["--amount", "10", "--max-rate", "5", "--first-bid", "--bid-window", "60", "--yes"];
        tokio::spawn(async move { client.run(&[&["deploy", &manifest], &words[..]].concat()).await })
    };
    let object = filled(cluster, &agent).await?;
    let id: LeaseId = object.spec.lease_id.parse()?;
    let stage = Stage::new(cluster, id);
    stage.report_running(&object).await?;
    let told = deploying.await.context("the deployment failed")??;
    ensure!(told["leaseId"] == json!(id.to_string()), "{told} is about another lease");
    let leased = Leased::found(stage, &market, &agent, market.tenant(), id).await?;
    Ok((Running { cluster, market, starter, agent, leased }, client))
}

fn client(folder: &Path, market: &Market) -> Result<Leasehold> {
    let binary =
        env::var("LEASEHOLD_TEST_CLI").context("LEASEHOLD_TEST_CLI must name the client's program")?;
    let (home, key_file) = (e2e::leasehold::home(folder, "tenant")?, folder.join("tenant.key"));
    write_key(&key_file, &market.tenant().key)?;
    let deployment = folder.join("deployment.json");
    fs::write(&deployment, serde_json::to_vec(market.client().deployment())?)?;
    let rpc_url = market.anvil().url().parse()?;
    Ok(Leasehold { binary: binary.into(), home, key_file, deployment, rpc_url, environment: Vec::new() })
}

/// The one object there is, with its manifest.
async fn filled(cluster: &Cluster, agent: &Agent) -> Result<ComputeLease> {
    let all = async || anyhow::Ok(cluster.own::<ComputeLease>().list(&ListParams::default()).await?.items);
    let is_filled = |object: &ComputeLease| object.spec.manifest.is_some();
    eventually("a lease with its manifest", agent, async || Ok(all().await?.iter().any(is_filled))).await?;
    all().await?.into_iter().find(is_filled).context("the lease is gone")
}

/// The refusals among a client's notices, without the time of each.
fn refusals(said: &str) -> Result<Vec<Value>> {
    let mut refusals = Vec::new();
    for line in said.lines() {
        let mut notice: Value = serde_json::from_str(line).with_context(|| format!("{line} is no notice"))?;
        notice.as_object_mut().context("a notice has fields")?.remove("time");
        if notice["event"] == "refused" {
            refusals.push(notice);
        }
    }
    Ok(refusals)
}
