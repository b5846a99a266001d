//! All lives: two that nobody disturbs, one for each call and moment of death, and some for each other fault.

use std::{collections::BTreeMap, env, time::Instant};

use anyhow::{Context, Result, ensure};
use e2e::fault_proxy::Moment;
use futures::{StreamExt, stream};
use k8s_openapi::api::{networking::v1::NetworkPolicy, storage::v1::StorageClass};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
    core::ApiResource,
};
use serde_json::json;

use super::{
    action::{self, Action},
    fault::Fault,
    life::{Disturbance, Done, Life},
    mirror,
    table::{Case, Table},
};
use crate::cluster::{Cluster, apply};

/// The storage class of all lives.
const CLASS: &str = "leasehold-crash";
/// Lives at the same time: they mostly wait.
const LIVES_AT_ONCE: usize = 8;
/// Points of each action at which each fault happens in the quick matrix: its first call, one in the middle, its last.
const POINTS: usize = 3;
const MOMENTS: [Moment; 3] = [Moment::BeforeRequest, Moment::BeforeAnswer, Moment::AfterAnswer];

/// Whether every fault meets every call, and the API server is away for minutes.
pub(super) fn is_deep() -> bool {
    env::var("LEASEHOLD_DEEP").is_ok_and(|deep| deep == "1")
}

/// What an undisturbed life does and leaves, by its actions.
struct Undisturbed {
    done: BTreeMap<Action, Done>,
    watches: Vec<String>,
}

/// What is to go wrong in one life.
#[derive(Clone, Copy, Debug)]
struct Plan {
    number: u32,
    fault: Fault,
    point: Point,
    moment: Moment,
}

/// A call of an action.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// By its number; an action with fewer calls is not disturbed.
    Call(usize),
    /// By its place among this many points of an action, the first being 0.
    Share(usize, usize),
}

impl Point {
    fn number(self, calls: usize) -> Option<usize> {
        match self {
            Self::Call(number) => (number <= calls).then_some(number),
            Self::Share(place, points) => (calls > 0).then(|| 1 + (calls - 1) * place / (points - 1)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn an_operator_that_is_killed_at_any_call_leaves_what_an_undisturbed_one_leaves() -> Result<()> {
    let began = Instant::now();
    // The lives share a storage class, which none of them may take away.
    let classes = Cluster::connect("crash-classes").await?.all::<StorageClass>();
    let class: StorageClass = serde_json::from_value(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}
        },
        "provisioner": "leasehold.dev/nobody",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }))?;
    apply(&classes, &class).await?;
    let tried = every_life(began).await;
    classes.delete(CLASS, &DeleteParams::default()).await?;
    tried
}

async fn every_life(began: Instant) -> Result<()> {
    let kinds = kinds().await?;
    let scout = undisturbed(0, &kinds, None).await.context("the first undisturbed life")?;
    let wanted = undisturbed(1, &kinds, Some(&scout)).await.context("the second undisturbed life")?;
    let most = wanted.done.values().map(|done| done.calls.len()).max().unwrap_or_default();
    let plans = plans(most, is_deep());
    println!("{} lives, {most} calls at most; two undisturbed ones took {:?}", plans.len(), began.elapsed());

    let mut cases = Vec::new();
    // A changed definition reaches every life, so those lives are among themselves.
    let (upgraded, others): (Vec<_>, Vec<_>) =
        plans.into_iter().partition(|plan| plan.fault == Fault::CrdUpgraded);
    for plans in [others, upgraded] {
        let mut lives =
            stream::iter(plans).map(|plan| live(plan, &kinds, &wanted)).buffer_unordered(lives_at_once());
        while let Some(mut life) = lives.next().await {
            life.iter().filter(|case| !case.is_same()).for_each(|case| println!("{case}"));
            cases.append(&mut life);
        }
    }
    // Connecting puts the definition back for the tests after this one.
    Cluster::connect("crash-end").await?;

    let table = Table::of(cases, began.elapsed());
    println!("{table}");
    table.write(wanted.done.iter().map(|(action, done)| (*action, done.calls.as_slice())))?;
    let failures = table.failures();
    ensure!(failures.is_empty(), "not the same end state:\n{}", failures.join("\n"));
    let unmet = table.unmet();
    ensure!(unmet.is_empty(), "nothing was tried: {}", unmet.join(", "));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn an_object_that_is_missing_changed_or_made_anew_is_told_apart() -> Result<()> {
    Cluster::connect("crash-seen").await?.clean_up_after(differences_are_seen).await
}

async fn differences_are_seen(cluster: &Cluster) -> Result<()> {
    const NUMBER: u32 = 2_000_000;
    let mut life = Life::begin(cluster, NUMBER, &kinds().await?, &[]).await?;
    let done = life.act(Action::Create, None, None).await?;
    ensure!(done.differences.is_empty(), "{:?}", done.differences);
    life.without_operator().await?;
    let policies = Api::<NetworkPolicy>::namespaced(cluster.admin.clone(), action::name(NUMBER).as_str());
    policies.delete("lease", &DeleteParams::default()).await?;
    life.until_differs(&done.state, &["NetworkPolicy lease: 0 instead of 1"]).await?;

    // The operator makes it again; that it is not the same object is still seen.
    life.restart().await?;
    life.until_differs(&done.state, &["NetworkPolicy: 3 were made so far instead of 2"]).await?;
    life.without_operator().await?;
    let change = json!({"spec": {"policyTypes": ["Egress"]}});
    policies.patch("lease", &PatchParams::default(), &Patch::Merge(&change)).await?;
    life.until_differs(
        &done.state,
        &[
            "NetworkPolicy lease metadata generation: 2 instead of 1",
            "NetworkPolicy lease spec policyTypes: [\"Egress\"] instead of [\"Ingress\",\"Egress\"]",
            "NetworkPolicy: 3 were made so far instead of 2",
        ],
    )
    .await?;
    Ok(())
}

async fn kinds() -> Result<Vec<ApiResource>> {
    mirror::namespaced_kinds(&Cluster::connect("crash-kinds").await?.admin).await
}

/// A life that nobody disturbs, which must be as the one before it, if there was one.
async fn undisturbed(
    number: u32,
    kinds: &[ApiResource],
    earlier: Option<&Undisturbed>,
) -> Result<Undisturbed> {
    let known = earlier.map(|earlier| earlier.watches.clone()).unwrap_or_default();
    let mut undisturbed = Undisturbed { done: BTreeMap::new(), watches: known };
    let mut differences = Vec::new();
    let live = async |cluster: &Cluster| {
        let mut life = Life::begin(cluster, number, kinds, &undisturbed.watches).await?;
        for action in Action::ALL {
            let wanted = earlier.and_then(|earlier| earlier.done.get(&action)).map(|done| &done.state);
            let began = Instant::now();
            let done = life.act(action, None, wanted).await?;
            println!(
                "{action:?}: {:?}, {} calls, {} writes",
                began.elapsed(),
                done.calls.len(),
                done.writes()
            );
            differences.extend(done.differences.iter().map(|difference| format!("{action:?}: {difference}")));
            undisturbed.done.insert(action, done);
            if action == Action::Create && undisturbed.watches.is_empty() {
                undisturbed.watches = life.watches();
            }
        }
        Ok(())
    };
    Cluster::connect(&format!("crash{number}")).await?.clean_up_after(live).await?;
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(undisturbed)
}

/// One life for each call that the API server has done and not answered, and some for each other moment and fault; in the deep
/// matrix, one for each call, moment and fault.
fn plans(most_calls: usize, deep: bool) -> Vec<Plan> {
    let mut chosen = Vec::new();
    for fault in Fault::ALL.into_iter().rev() {
        for (index, moment) in MOMENTS.into_iter().enumerate() {
            if deep || (fault, moment) == (Fault::Killed, Moment::BeforeAnswer) {
                chosen.extend((1..=most_calls).map(|number| (fault, Point::Call(number), moment)));
            } else {
                let all_places = fault == Fault::Killed;
                let places = (0..POINTS).filter(|place| all_places || *place == index);
                chosen.extend(places.map(|place| (fault, Point::Share(place, POINTS), moment)));
            }
        }
    }
    // The first two numbers are those of the undisturbed lives.
    (2..).zip(chosen).map(|(number, (fault, point, moment))| Plan { number, fault, point, moment }).collect()
}

/// One disturbed life: all its actions, or those up to one that did not end as it should.
async fn live(plan: Plan, kinds: &[ApiResource], wanted: &Undisturbed) -> Vec<Case> {
    let mut cases = Vec::new();
    let lived = async |cluster: &Cluster| {
        let mut life = Life::begin(cluster, plan.number, kinds, &wanted.watches).await?;
        for (index, action) in Action::ALL.into_iter().enumerate() {
            let calls = |action: &Action| wanted.done.get(action).map_or(0, |done| done.calls.len());
            let number = plan.point.number(calls(&action)).filter(|_| plan.fault.applies_to(action));
            let disturbance =
                number.map(|number| Disturbance { fault: plan.fault, number, moment: plan.moment });
            let undisturbed = wanted.done.get(&action).context("every action was done undisturbed")?;
            let began = Instant::now();
            let acted = life.act(action, disturbance, Some(&undisturbed.state)).await;
            let case = Case::of(plan.fault, plan.moment, action, number, acted, undisturbed, began.elapsed());
            let goes_on = case.is_same();
            if number.is_some() || !goes_on {
                cases.push(case);
            }
            let rest = Action::ALL.get(index + 1..).unwrap_or_default();
            let disturbed_later = rest
                .iter()
                .any(|action| plan.fault.applies_to(*action) && plan.point.number(calls(action)).is_some());
            if !goes_on || !disturbed_later {
                break;
            }
        }
        Ok(())
    };
    let lived = match Cluster::connect(&format!("crash{}", plan.number)).await {
        Ok(cluster) => cluster.clean_up_after(lived).await,
        Err(error) => Err(error),
    };
    if let Err(error) = lived {
        cases.push(Case::failed(plan.fault, plan.moment, &error));
    }
    cases
}

fn lives_at_once() -> usize {
    env::var("LEASEHOLD_CRASH_LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(LIVES_AT_ONCE)
}
