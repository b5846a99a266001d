//! Scenarios: events in, whole lists of effects out.

mod disputes;
mod funds;
mod leases;
mod orders;
mod refusals;
mod remembered;
mod requests;
mod stakes;
mod unsigned;

use chain::Eip712;
use crd::convert::LeaseSpec;
use crd::{ComputeLease, ComputeLeaseStatus, Phase, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use market::{Address, Amount, Bid, Lease, LeaseId, LeaseState, Order, OrderHash, Timestamp, Usage, Windows};

use super::*;
use crate::bidding::tests::{NOW, cluster, facts, order, policy, requirements};
use crate::config::Suspending;
use crate::gate::GateRules;
use crate::settling::SettlingRules;

const MARKET: Address = Address::repeat_byte(0x99);
const CHAIN: u64 = 31_337;
const SESSION: Address = Address::repeat_byte(0xaa);

fn eip712() -> Eip712 {
    Eip712::new(CHAIN, MARKET)
}

fn rules() -> Rules {
    Rules {
        policy: policy(),
        chain_id: CHAIN,
        market: MARKET,
        eip712: eip712(),
        windows: Windows { claim: 10_000, dispute: 20_000, arbiter: 50_000 },
        namespace: "leasehold-system".into(),
        max_head_age: 60,
        decline_margin: 100,
        settling: SettlingRules {
            interval: 600,
            minimum: Amount(5),
            gas_multiple: 200,
            coin_price: None,
            longest_hold: 86_400,
        },
        countersign_timeout: 300,
        resync_interval: 60,
        warn_before: 0,
        gate: GateRules {
            suspending: Suspending::Disabled,
            first: 1800,
            later: 3600,
            most_per_tenant: None,
            reclaim_after: None,
        },
    }
}

fn head(timestamp: Timestamp) -> Event {
    Event::Head(Head { number: timestamp.0, timestamp, gas_price: 0 })
}

/// A core that has read all logs and sees a head of this very second.
fn ready() -> State {
    let mut state = State::new(rules());
    step(&mut state, head(NOW), NOW);
    assert_eq!(step(&mut state, Event::CaughtUp, NOW), vec![Effect::Resync]);
    state
}

fn order_hash() -> OrderHash {
    eip712().order_digest(&order()).unwrap()
}

fn order_posted(order: Order) -> Event {
    Event::Chain(ChainNews::OrderPosted {
        hash: eip712().order_digest(&order).unwrap(),
        order: Box::new(order),
        requirements: Some(requirements()),
        posted_at: NOW,
    })
}

fn assessed(order: OrderHash) -> Event {
    Event::OrderAssessed { order, facts: facts(), cluster: cluster(), inherited_by: 0 }
}

/// The bid that the fixtures' order gets.
fn bid() -> Bid {
    let mut state = ready();
    step(&mut state, order_posted(order()), NOW);
    match step(&mut state, assessed(order_hash()), NOW).as_slice() {
        [Effect::PostBid { bid, .. }] => **bid,
        other => panic!("no bid: {other:?}"),
    }
}

fn id() -> LeaseId {
    eip712().bid_digest(&bid()).unwrap()
}

fn opened() -> Event {
    Event::Chain(ChainNews::LeaseOpened(OpenedLease { id: id(), bid: Box::new(bid()) }))
}

fn lease(state: LeaseState) -> Lease {
    let bid = bid();
    Lease {
        state,
        tenant: bid.tenant,
        provider: bid.provider,
        signer: SESSION,
        token: bid.token,
        started_at: (state != LeaseState::Open).then_some(NOW),
        end_at: if state == LeaseState::Open { NOW.saturating_add(1800) } else { NOW.saturating_add(7200) },
        last_as_of: NOW,
        rate_cap_e6: bid.rate_cap_e6().unwrap(),
        balance: Amount(1_000_000),
        ..testkit::lease()
    }
}

fn read(lease: Lease) -> Event {
    Event::LeasesRead(vec![(id(), lease)])
}

/// A core that has just decided to bid.
fn with_bid() -> State {
    let mut state = ready();
    step(&mut state, order_posted(order()), NOW);
    step(&mut state, assessed(order_hash()), NOW);
    state
}

/// A core with one lease of ours, open on chain, without an object yet; with what it did about it.
fn with_open_lease() -> (State, Vec<Effect>) {
    let mut state = with_bid();
    assert_eq!(step(&mut state, opened(), NOW), vec![Effect::ReadLeases(vec![id()])]);
    let effects = step(&mut state, read(lease(LeaseState::Open)), NOW);
    (state, effects)
}

fn spec(desired: crd::DesiredState, term: Option<(u64, u64)>) -> crd::ComputeLeaseSpec {
    let bid = bid();
    crd::ComputeLeaseSpec::try_from(&LeaseSpec {
        id: id(),
        tenant: bid.tenant,
        provider: bid.provider,
        chain_id: CHAIN,
        market: MARKET,
        tier: market::Tier::Strict,
        limits: bid.limits,
        manifest: None,
        desired,
        term: term.map(|(start, end)| crd::convert::BilledTerm {
            started_at: Timestamp(start),
            ends_at: Timestamp(end),
        }),
    })
    .unwrap()
}

/// The object as the agent applies it.
fn applied(spec: crd::ComputeLeaseSpec) -> Box<ComputeLease> {
    let name = crd::LeaseName::of(id());
    let mut object = ComputeLease::new(name.as_str(), spec);
    object.metadata.namespace = Some("leasehold-system".into());
    object.metadata.labels = Some([(crd::labels::LEASE.to_owned(), name.label_value().to_owned())].into());
    Box::new(object)
}

fn apply(spec: crd::ComputeLeaseSpec, basis: Basis) -> Effect {
    Effect::ApplyComputeLease { lease: id(), object: applied(spec), basis }
}

/// The end of a lease whose money is gone.
fn reclaim() -> Effect {
    Effect::Reclaim { bid: Box::new(bid()), cause: ReclaimCause::Unfunded }
}

/// The object as the API server gives it back.
fn stored(spec: crd::ComputeLeaseSpec, generation: i64, status: Option<ComputeLeaseStatus>) -> ComputeLease {
    let mut object = *applied(spec);
    object.metadata.uid = Some("uid-1".into());
    object.metadata.generation = Some(generation);
    object.status = status;
    object
}

fn manifest_ref() -> crd::ManifestRef {
    crd::ManifestRef {
        secret_name: crd::LeaseName::of(id()).manifest_secret(),
        hash: crd::convert::hex(order().manifest_hash.as_slice()),
        revision: 1,
        previous: None,
    }
}

fn condition(type_: &str, status: &str, reason: &str) -> Condition {
    Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
    }
}

fn ready_status(generation: i64) -> ComputeLeaseStatus {
    ComputeLeaseStatus {
        phase: Phase::Ready,
        observed_generation: Some(generation),
        conditions: vec![condition(condition::READY, "True", "AllReady")],
        ..ComputeLeaseStatus::default()
    }
}

fn metered(as_of: Timestamp, usage: Usage) -> crd::LeaseUsage {
    crd::LeaseUsage {
        as_of: i64::try_from(as_of.0).unwrap(),
        sequence: 1,
        allocated: crd::ResourceUsage::from(&usage),
        used: crd::UsedResources {
            cpu_nanoseconds: "1".into(),
            memory_byte_seconds: "2".into(),
            network_rx_bytes: "3".into(),
            network_tx_bytes: "4".into(),
        },
        meter_root: crd::convert::hex(&[0xbb; 32]),
        state: None,
    }
}

/// What is done about the lease itself. Usage that is remembered changes nothing of it.
fn besides_usage(effects: Vec<Effect>) -> Vec<Effect> {
    effects.into_iter().filter(|effect| !matches!(effect, Effect::KeepUsage(_))).collect()
}

fn observed(object: ComputeLease) -> Event {
    Event::ComputeLeaseObserved(Box::new(object))
}

fn written(object: ComputeLease) -> Event {
    Event::WriteFinished { lease: id(), outcome: Ok(Some(Box::new(object))) }
}
