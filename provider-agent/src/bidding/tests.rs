//! One case that gets a bid, and every reason that stops it.

mod filter;

use std::collections::BTreeMap;

use market::{
    Attribute, B256, BasisPoints, Dimension, Price, Prices, Requirements, ServiceRequirements, Tier,
};

use super::*;
use crate::config::{Adjust, DurationStep, Pricing, Seconds, TierName, UtilisationPoint};
use crate::inventory::{ClusterSnapshot, DefaultStorageClass, NodeSnapshot, Resources};
use crate::pricing::PriceList;

const GIB: u64 = 1 << 30;
pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

pub(crate) fn requirements() -> Requirements {
    Requirements {
        tier: Tier::Strict,
        duration: 7200,
        egress_bytes_per_second: 1000,
        leased_ips: 0,
        services: vec![
            ServiceRequirements {
                replicas: 2,
                cpu_milli: 250,
                memory_bytes: GIB,
                gpu_milli: 0,
                gpu_model: String::new(),
                volume_bytes: vec![],
            },
            ServiceRequirements {
                replicas: 1,
                cpu_milli: 500,
                memory_bytes: 2 * GIB,
                gpu_milli: 0,
                gpu_model: String::new(),
                volume_bytes: vec![10 * GIB],
            },
        ],
        attributes: vec![Attribute { key: "region".into(), value: "eu".into() }],
    }
}

pub(crate) fn order() -> Order {
    Order {
        tenant: Address::repeat_byte(0x11),
        token: Address::repeat_byte(0x22),
        requirements_hash: B256::repeat_byte(0x33),
        manifest_hash: B256::repeat_byte(0x44),
        max_rate_e6: 1_000_000_000,
        deposit: Amount(1_000_000),
        deadline: Timestamp(NOW.0 + 3600),
        nonce: 7,
    }
}

fn pricing() -> Pricing {
    let price = |text: &str| Some(text.parse().unwrap());
    Pricing {
        lease_hour: price("0.0036"),
        cpu_core_hour: price("0.036"),
        memory_gib_hour: price("0.01"),
        storage_gib_month: price("0.1"),
        gpu_hour: None,
        gpu_model_hour: BTreeMap::new(),
        egress_gib: price("0.01"),
        leased_ip_hour: None,
        device_hour: None,
        adjust: Adjust::default(),
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        provider: Address::repeat_byte(0x55),
        operator: Address::repeat_byte(0x66),
        token: order().token,
        price_list: PriceList::new(&pricing(), 6).unwrap(),
        min_bond: Amount(100),
        max_slash: Amount(50),
        no_show_penalty: Amount(5),
        bid_validity: 300,
        start_window: 1800,
        max_duration: 86_400,
        notice_period: 3600,
        split_bps: BasisPoints::new(4000).unwrap(),
        arbiter: Address::repeat_byte(0x77),
        min_prepaid: 3600,
        tiers: vec![Tier::Strict],
        attributes: BTreeMap::from([("region".into(), "eu".into()), ("disk".into(), "nvme".into())]),
        min_tenant_available: Amount(10),
        max_outstanding_bids: 3,
        max_limits: Limits([u64::MAX; 8]).with(Dimension::Egress, 1_000_000),
        storage_capacity: None,
        filter: Filter::default(),
        paused: false,
        no_leases_past: None,
    }
}

pub(crate) fn facts() -> Facts {
    Facts {
        block: NOW.0,
        tenant_available: Amount(2_000_000),
        standing: Standing {
            activity: Activity::Active,
            operator: policy().operator,
            operator_expiry: Timestamp(NOW.0 + 100_000),
            bid_epoch: 9,
            bond: Amount(1000),
            free_bond: Amount(800),
            locked: Amount(200),
        },
    }
}

pub(crate) fn cluster() -> ClusterSnapshot {
    let node = |name: &str| NodeSnapshot {
        name: name.into(),
        gpu_model: None,
        allocatable: Resources { cpu_milli: 1000, memory_bytes: 4 * GIB, gpus: 0, pods: 10 },
    };
    ClusterSnapshot {
        nodes: vec![node("a"), node("b")],
        pods: vec![],
        default_storage_class: DefaultStorageClass::Present,
        ephemeral_storage_bytes: 100 * GIB,
    }
}

/// Everything that a case is made of, to be spoiled.
struct Setting {
    order: Order,
    requirements: Requirements,
    cluster: ClusterSnapshot,
    policy: Policy,
    facts: Facts,
    outstanding: u32,
    held_against: Option<Amount>,
    disputes: u32,
    at_stake: AtStake,
}

fn decision(spoil: impl FnOnce(&mut Setting)) -> BidDecision {
    let mut setting = Setting {
        order: order(),
        requirements: requirements(),
        cluster: cluster(),
        policy: policy(),
        facts: facts(),
        outstanding: 0,
        held_against: None,
        disputes: 0,
        at_stake: AtStake::default(),
    };
    spoil(&mut setting);
    let inventory = Inventory::new(&setting.cluster, setting.policy.storage_capacity, &[]);
    decide(&Case {
        order_hash: OrderHash(B256::repeat_byte(0x88)),
        order: &setting.order,
        requirements: &setting.requirements,
        inventory: &inventory,
        policy: &setting.policy,
        facts: &setting.facts,
        outstanding: setting.outstanding,
        held_against: setting.held_against,
        disputes: setting.disputes,
        at_stake: setting.at_stake,
        now: NOW,
    })
}

fn check(expected: DeclineReason, spoil: impl FnOnce(&mut Setting)) {
    assert_eq!(decision(spoil), BidDecision::Decline(vec![expected]));
}

#[test]
fn an_order_that_fits_gets_the_whole_bid() {
    let BidDecision::Place(bid) = decision(|_| {}) else { panic!("declined") };
    let expected = Bid {
        provider: Address::repeat_byte(0x55),
        tenant: Address::repeat_byte(0x11),
        token: Address::repeat_byte(0x22),
        order_hash: OrderHash(B256::repeat_byte(0x88)),
        bid_epoch: 9,
        salt: 0x8888_8888_8888_8888,
        valid_until: Timestamp(1_000_300),
        start_window: 1800,
        max_duration: 7200,
        notice_period: 3600,
        max_slash: Amount(50),
        no_show_penalty: Amount(5),
        min_deposit: Amount(81_023),
        split_bps: BasisPoints::new(4000).unwrap(),
        arbiter: Address::repeat_byte(0x77),
        prices: Prices([
            Price(1_000_000_000_000_000_000),
            Price(10_000_000_000_000_000),
            Price(2_587_007_151),
            Price(35_930_654),
            Price(0),
            Price(9_313_225_746_154),
            Price(0),
            Price(0),
        ]),
        limits: Limits([1, 1000, 4 * GIB, 10 * GIB, 0, 1000, 0, 0]),
    };
    assert_eq!(*bid, expected);
    assert_eq!(bid.check(), Ok(()));
}

#[test]
fn every_reason_is_given_alone_when_it_is_the_only_one() {
    check(DeclineReason::TokenNotAccepted, |s| s.order.token = Address::ZERO);
    check(DeclineReason::OrderExpired { deadline: NOW }, |s| s.order.deadline = NOW);
    check(DeclineReason::TierNotOffered { tier: Tier::Userns }, |s| s.requirements.tier = Tier::Userns);
    check(DeclineReason::AttributeMissing { key: "gpu".into() }, |s| {
        s.requirements.attributes.push(Attribute { key: "gpu".into(), value: "h100".into() });
    });
    check(DeclineReason::AttributeDiffers { key: "disk".into() }, |s| {
        s.requirements.attributes.push(Attribute { key: "disk".into(), value: "hdd".into() });
    });
    check(DeclineReason::DurationTooLong { wanted: 86_401, maximum: 86_400 }, |s| {
        s.requirements.duration = 86_401;
    });
    check(DeclineReason::ResourceNotSold { dimension: Dimension::LeasedIps }, |s| {
        s.requirements.leased_ips = 1;
    });
    let (dimension, wanted, maximum) = (Dimension::Egress, 1_000_001, 1_000_000);
    check(DeclineReason::LimitExceeded { dimension, wanted, maximum }, |s| {
        s.requirements.egress_bytes_per_second = 1_000_001;
    });
    check(DeclineReason::NoDefaultStorageClass, |s| {
        s.cluster.default_storage_class = DefaultStorageClass::Missing;
    });
    check(DeclineReason::NoCapacity, |s| s.cluster.nodes.truncate(0));
    check(DeclineReason::NoStorage, |s| s.policy.storage_capacity = Some(10 * GIB - 1));
    check(DeclineReason::RateTooHigh { rate_e6: 22_506_227, maximum_e6: 22_506_226 }, |s| {
        s.order.max_rate_e6 = 22_506_226;
    });
    let (deposit, minimum) = (Amount(81_022), Amount(81_023));
    check(DeclineReason::DepositTooSmall { deposit, minimum }, |s| s.order.deposit = deposit);
    check(DeclineReason::TenantUnderfunded { available: deposit, minimum }, |s| {
        s.facts.tenant_available = deposit;
    });
    check(DeclineReason::ProviderInactive, |s| s.facts.standing.activity = Activity::Inactive);
    check(DeclineReason::OperatorNotAuthorised, |s| s.facts.standing.operator = Address::ZERO);
    let expiry = Timestamp(NOW.0 + 300);
    check(DeclineReason::OperatorKeyExpired { expiry }, |s| s.facts.standing.operator_expiry = expiry);
    let (bond, minimum) = (Amount(99), Amount(100));
    check(DeclineReason::BondBelowMinimum { bond, minimum }, |s| s.facts.standing.bond = bond);
    let (free, needed) = (Amount(149), Amount(150));
    check(DeclineReason::BondLocked { free, needed }, |s| {
        (s.outstanding, s.facts.standing.free_bond) = (2, free);
    });
    check(DeclineReason::TooManyOutstandingBids { maximum: 3 }, |s| s.outstanding = 3);
}

#[test]
fn a_part_of_a_gpu_is_declined_even_where_gpus_are_sold() {
    let decision = decision(|s| {
        let priced = Pricing { gpu_hour: Some("0.1".parse().unwrap()), ..pricing() };
        s.policy.price_list = PriceList::new(&priced, 6).unwrap();
        for node in &mut s.cluster.nodes {
            node.allocatable.gpus = 4;
        }
        s.requirements.services[0].gpu_milli = 500;
    });
    assert_eq!(decision, BidDecision::Decline(vec![DeclineReason::GpuNotWhole]));
}

#[test]
fn a_bid_costs_more_in_a_fuller_cluster_and_less_for_long() {
    let decimal = |text: &str| text.parse().unwrap();
    let adjust = Adjust {
        tier: BTreeMap::from([(TierName::Strict, decimal("0.5"))]),
        utilisation: vec![
            UtilisationPoint { used: decimal("0"), factor: decimal("1") },
            UtilisationPoint { used: decimal("1"), factor: decimal("3") },
        ],
        duration: vec![DurationStep { from: Seconds(7200), factor: decimal("0.8") }],
    };
    let flat = |spoil: fn(&mut Setting)| {
        let decision = decision(|s| {
            s.policy.price_list =
                PriceList::new(&Pricing { adjust: adjust.clone(), ..pricing() }, 6).unwrap();
            spoil(s);
        });
        let BidDecision::Place(bid) = decision else { panic!("{decision:?}") };
        assert_eq!(bid.check(), Ok(()));
        bid.prices.0[Dimension::Uptime.index()].0 / 10_u128.pow(14)
    };
    // 10 000 in the list, halved; the processors of an empty cluster are free.
    assert_eq!(flat(|s| s.requirements.duration = 7199), 5_000);
    assert_eq!(flat(|_| {}), 4_000);
    // A third node whose memory is taken: a third of all.
    let with_a_full_node = |s: &mut Setting| {
        let mut node = s.cluster.nodes[0].clone();
        node.name = "c".into();
        s.cluster.pods.push(crate::inventory::BoundPod {
            node: node.name.clone(),
            namespace: "other".into(),
            requests: Resources { cpu_milli: 0, ..node.allocatable },
        });
        s.cluster.nodes.push(node);
    };
    assert_eq!(flat(with_a_full_node), 6_666);
}

#[test]
fn requirements_that_cannot_be_are_declined() {
    let BidDecision::Decline(reasons) = decision(|s| s.requirements.services.clear()) else {
        panic!("placed")
    };
    assert_eq!(reasons, vec![DeclineReason::RequirementsInvalid]);
    let BidDecision::Decline(reasons) = decision(|s| s.requirements.services[0].memory_bytes = u64::MAX)
    else {
        panic!("placed")
    };
    assert_eq!(reasons[0], DeclineReason::RequirementsInvalid);
}

#[test]
fn a_rate_that_the_chain_cannot_hold_is_declined() {
    check(DeclineReason::RateUnusable, |s| {
        let dear = Pricing { memory_gib_hour: Some("100000000000000000000".parse().unwrap()), ..pricing() };
        s.policy.price_list = PriceList::new(&dear, 6).unwrap();
    });
}

#[test]
fn all_reasons_are_reported_in_the_order_of_the_checks() {
    let declined = decision(|s| {
        s.policy.paused = true;
        s.policy.filter.tenants_deny = [s.order.tenant].into();
        s.order.token = Address::ZERO;
        s.requirements.tier = Tier::Sandboxed;
        s.policy.filter.max_exposure = Some(Amount(0));
        s.held_against = Some(Amount(5));
        s.facts.standing.activity = Activity::Inactive;
    });
    assert_eq!(
        declined,
        BidDecision::Decline(vec![
            DeclineReason::Paused,
            DeclineReason::TenantDenied,
            DeclineReason::TokenNotAccepted,
            DeclineReason::TierNotOffered { tier: Tier::Sandboxed },
            DeclineReason::TenantDoesNotSign { unsigned: Amount(5) },
            DeclineReason::ProviderInactive,
            DeclineReason::ExposureTooHigh { exposure: Amount(250), maximum: Amount(0) },
        ])
    );
}
