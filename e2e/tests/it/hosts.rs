//! The index of tenants' own hosts on a real API server: what a race, a release and a hand-made write come to.

use anyhow::{Result, ensure};
use crd::{ComputeLeaseRef, HostClaim, HostClaimSpec, LeaseName, labels};
use futures::future::try_join_all;
use k8s_openapi::jiff::SignedDuration;
use kube::{
    Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use market::{B256, LeaseId};
use operator::{
    lease_controller::hosts::{
        HostState,
        claims::Index,
        decide::{Patience, Proof},
    },
    metrics::Metrics,
};
use serde_json::json;
use telemetry::Registry;

use crate::cluster::Cluster;

const HOST: &str = "shop.example.com";
const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
const PATIENCE: Patience =
    Patience { cooldown: SignedDuration::from_hours(24), grace: SignedDuration::from_hours(1) };

/// What lease number `lease` of tenant number `tenant` wants.
fn claim(lease: u8, tenant: u8) -> HostClaimSpec {
    let id = LeaseId(B256::repeat_byte(lease));
    HostClaimSpec {
        host: HOST.to_owned(),
        lease_id: id.to_string(),
        compute_lease: ComputeLeaseRef { name: LeaseName::of(id).to_string(), uid: format!("uid-{lease}") },
        tenant: format!("0x{}", format!("{tenant:02x}").repeat(20)),
        service: "web".to_owned(),
        port: 8080,
        unproven_since: None,
        released_at: None,
    }
}

async fn settle(
    client: &Client,
    namespace: &str,
    wanted: HostClaimSpec,
    proof: Proof,
    now: i64,
) -> Result<HostState> {
    let metrics = Metrics::register(&Registry::new())?;
    let index = Index { client, metrics: &metrics, namespace };
    let found = index.read(&wanted.host).await?;
    Ok(index.settle(found, &wanted, proof, PATIENCE, now).await?)
}

fn reason(state: &HostState) -> &'static str {
    match state {
        HostState::Held => "Held",
        HostState::Withheld { reason, .. } => reason,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs LEASEHOLD_TEST_KUBECONFIG"]
async fn of_a_hundred_leases_one_gets_a_host_and_it_changes_hands_only_by_the_rules() -> Result<()> {
    Cluster::connect("hosts").await?.clean_up_after(race).await
}

async fn race(cluster: &Cluster) -> Result<()> {
    let (client, namespace) = (&cluster.admin, cluster.system.as_str());
    let claims = cluster.own::<HostClaim>();
    for round in 0..5 {
        let now = NOW + round * 10 * DAY;
        let leases =
            (1..=100_u8).map(|lease| settle(client, namespace, claim(lease, lease), Proof::Proven, now));
        let states = try_join_all(leases).await?;
        let held = states.iter().filter(|state| **state == HostState::Held).count();
        let taken = states.iter().filter(|state| reason(state) == "HostTaken").count();
        ensure!(
            (held, taken) == (1, 99),
            "round {round}: {held} hold the host and {taken} were told that it is taken"
        );
        let all = claims.list(&ListParams::default()).await?.items;
        ensure!(all.len() == 1, "round {round}: {} claims", all.len());
        let winner = &all[0];
        let position = states.iter().position(|state| *state == HostState::Held).unwrap_or_default();
        let number = u8::try_from(position + 1)?;
        ensure!(winner.spec == claim(number, number), "round {round}: the claim is not the winner's");
        ensure!(winner.name_any() == HOST && winner.labels().contains_key(labels::LEASE));

        // Nobody can write over a claim that is held, not even an administrator.
        let theft = json!({ "spec": { "leaseId": claim(101, 101).lease_id } });
        let stolen = claims.patch(HOST, &PatchParams::default(), &Patch::Merge(&theft)).await;
        let refusal = stolen.map_or_else(|error| error.to_string(), |_| "none".to_owned());
        ensure!(refusal.contains("a host changes hands only after its release"), "round {round}: {refusal}");

        // The winner gives the host back; its DNS still leads here.
        let metrics = Metrics::register(&Registry::new())?;
        let index = Index { client, metrics: &metrics, namespace };
        index.release(winner, now).await?;
        let other = claim(101, 101);
        let cooling = settle(client, namespace, other.clone(), Proof::Proven, now + DAY - 1).await?;
        ensure!(reason(&cooling) == "HostCoolingDown", "round {round}: {cooling:?}");
        let stale = settle(client, namespace, other.clone(), Proof::Absent, now + DAY).await?;
        ensure!(reason(&stale) == "HostNotProven", "round {round}: {stale:?}");
        // The tenant itself need not wait.
        let again = settle(client, namespace, claim(102, number), Proof::Proven, now + 1).await?;
        ensure!(again == HostState::Held, "round {round}: {again:?}");
        let found = index.read(HOST).await?;
        let Some(found) = found else { anyhow::bail!("round {round}: the claim is gone") };
        index.release(&found, now + 2).await?;
        let found = claims.get(HOST).await?;
        index.delete(&found).await?;
        ensure!(claims.get_opt(HOST).await?.is_none(), "round {round}: the claim is still there");
    }
    Ok(())
}
