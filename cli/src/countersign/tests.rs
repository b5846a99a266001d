//! Every way in which a statement can ask for too much.

use alloy_primitives::{Address, B256, U256, keccak256};
use gateway_api::{Decimal, ResourceUsage};
use market::{BasisPoints, Limits, OrderHash, Price, Prices};

use super::*;

mod honest;

const ID: LeaseId = LeaseId(B256::repeat_byte(1));

pub(super) fn bid() -> Bid {
    Bid {
        provider: Address::repeat_byte(1),
        tenant: Address::repeat_byte(2),
        token: Address::repeat_byte(3),
        order_hash: OrderHash(B256::repeat_byte(4)),
        bid_epoch: 1,
        salt: 1,
        valid_until: Timestamp(900),
        start_window: 600,
        max_duration: 3_600,
        notice_period: 60,
        max_slash: Amount(0),
        no_show_penalty: Amount(0),
        min_deposit: Amount(0),
        split_bps: BasisPoints::ZERO,
        arbiter: Address::ZERO,
        // A second of uptime costs one base unit, a milli-CPU second a hundredth.
        prices: Prices([10_u128.pow(18), 10_u128.pow(16), 0, 0, 0, 0, 0, 0].map(Price)),
        limits: Limits([1, 100, 0, 0, 0, 0, 0, 0]),
    }
}

pub(super) fn lease() -> Lease {
    Lease { end_at: Timestamp(4_600), rate_cap_e6: 2_000_000, balance: Amount(7_200), ..testkit::lease() }
}

/// What is known at `now` by who signs for the first time, tolerates nothing and does not probe.
pub(super) fn own<'a>(bid: &'a Bid, lease: &'a Lease, now: u64) -> Own<'a> {
    Own { bid, lease, now: Timestamp(now), previous: None, terms: Terms::default(), observed: None }
}

/// A proposal over `seconds` of uptime and as many full seconds of CPU.
pub(super) fn proposal(seconds: u128, as_of: u64, amount_cum: u128) -> StatementProposal {
    with_hash(StatementProposal {
        amount_cum: Decimal(amount_cum),
        as_of,
        usage: ResourceUsage::from(&Usage([seconds, 100 * seconds, 0, 0, 0, 0, 0, 0])),
        meter_root: B256::repeat_byte(9),
        usage_hash: B256::ZERO,
        last: false,
        settled_cum: Decimal(0),
    })
}

fn with_hash(proposal: StatementProposal) -> StatementProposal {
    let mut words: Vec<B256> =
        Usage::from(&proposal.usage).0.iter().map(|word| U256::from(*word).into()).collect();
    words.push(U256::from(proposal.as_of).into());
    words.push(proposal.meter_root);
    let encoded: Vec<u8> = words.iter().flat_map(|word| word.0).collect();
    StatementProposal { usage_hash: keccak256(encoded), ..proposal }
}

fn refusal(own: &Own<'_>, proposal: &StatementProposal) -> (RefusalReason, Amount) {
    let refusal = check(ID, own, proposal).unwrap_err();
    assert_eq!(refusal.proposed, Amount(proposal.amount_cum.0));
    (refusal.reason, refusal.largest_accepted)
}

#[test]
fn a_statement_at_its_exact_cost_is_signed() {
    let (bid, lease) = (bid(), lease());
    let own = own(&bid, &lease, 1_100);
    let proposal = proposal(100, 1_100, 200);
    let statement = check(ID, &own, &proposal).unwrap();
    assert_eq!(statement.amount_cum, Amount(200));
    let again = Own { previous: Some(&proposal), ..own };
    assert_eq!(check(ID, &again, &proposal), Ok(statement));
}

#[test]
fn a_statement_over_its_cost_is_refused_with_the_largest_accepted() {
    let (bid, lease) = (bid(), lease());
    let own = own(&bid, &lease, 1_100);
    // Fifty seconds were used of a hundred that passed: the cap would allow more than the usage does.
    assert_eq!(refusal(&own, &proposal(50, 1_100, 101)), (RefusalReason::AmountAboveUsage, Amount(100)));
    // Usage beyond the limits is worth no more than the limits.
    assert_eq!(refusal(&own, &proposal(5_000, 1_100, 201)), (RefusalReason::AmountAboveCap, Amount(200)));
    let tolerant = Own { terms: tolerating(1), ..own };
    assert!(check(ID, &tolerant, &proposal(50, 1_100, 101)).is_ok());
    assert_eq!(refusal(&tolerant, &proposal(50, 1_100, 102)), (RefusalReason::AmountAboveUsage, Amount(101)));
}

#[test]
fn time_that_has_not_passed_is_not_signed_for() {
    let (bid, lease) = (bid(), lease());
    let own = own(&bid, &lease, 1_100);
    assert_eq!(refusal(&own, &proposal(101, 1_101, 202)), (RefusalReason::TooLate, Amount(200)));
    let later = Own { now: Timestamp(9_000), ..own };
    assert_eq!(refusal(&later, &proposal(3_601, 4_601, 7_202)), (RefusalReason::TooLate, Amount(7_200)));
}

#[test]
fn no_resource_is_billed_beyond_its_limit_nor_beyond_its_use() {
    let bid = Bid { prices: Prices([Price(10_u128.pow(18)); 8]), limits: Limits([3; 8]), ..bid() };
    let lease = Lease { rate_cap_e6: 24_000_000, ..lease() };
    let own = own(&bid, &lease, 1_100);
    for dimension in 0..8 {
        let of = |used: u128, amount_cum: u128| {
            let mut usage = [0; 8];
            usage[dimension] = used;
            with_hash(StatementProposal {
                amount_cum: Decimal(amount_cum),
                usage: ResourceUsage::from(&Usage(usage)),
                ..proposal(0, 1_100, 0)
            })
        };
        assert_eq!(check(ID, &own, &of(299, 299)).map(|it| it.amount_cum), Ok(Amount(299)), "{dimension}");
        assert_eq!(
            refusal(&own, &of(299, 300)),
            (RefusalReason::AmountAboveUsage, Amount(299)),
            "{dimension}"
        );
        assert_eq!(
            refusal(&own, &of(301, 301)),
            (RefusalReason::AmountAboveUsage, Amount(300)),
            "{dimension}"
        );
        assert_eq!(
            refusal(&own, &of(u128::MAX, 301)),
            (RefusalReason::AmountAboveUsage, Amount(300)),
            "{dimension}"
        );
        let used = of(200, 200);
        let own = Own { previous: Some(&used), ..own };
        assert_eq!(refusal(&own, &of(199, 200)).0, RefusalReason::UsageDecreased, "{dimension}");
    }
}

#[test]
fn an_idle_time_that_was_signed_for_is_not_billed_as_busy_later() {
    let (bid, lease) = (bid(), lease());
    let idle = proposal(0, 4_000, 0);
    let own = Own { previous: Some(&idle), ..own(&bid, &lease, 4_010) };
    // Nothing was settled on chain, so its cap would let all 3010 seconds pass; ten seconds and a lagging meter do not.
    assert_eq!(
        refusal(&own, &proposal(3_010, 4_010, 6_020)),
        (RefusalReason::AmountGrewTooFast, Amount(260))
    );
    assert!(check(ID, &own, &proposal(130, 4_010, 260)).is_ok());
    assert_eq!(refusal(&own, &proposal(131, 4_010, 261)).0, RefusalReason::AmountGrewTooFast);
}

#[test]
fn counters_that_go_back_are_refused() {
    let (bid, lease) = (bid(), lease());
    let previous = proposal(50, 1_060, 90);
    let own = Own { previous: Some(&previous), ..own(&bid, &lease, 1_100) };
    assert_eq!(refusal(&own, &proposal(50, 1_059, 90)).0, RefusalReason::TooEarly);
    assert_eq!(refusal(&own, &proposal(49, 1_100, 90)).0, RefusalReason::UsageDecreased);
    assert_eq!(refusal(&own, &proposal(50, 1_100, 89)).0, RefusalReason::AmountDecreased);
    let settled = Lease { paid: Amount(95), last_as_of: Timestamp(1_070), ..lease };
    let own = Own { lease: &settled, previous: None, ..own };
    assert_eq!(refusal(&own, &proposal(50, 1_060, 95)).0, RefusalReason::TooEarly);
    assert_eq!(refusal(&own, &proposal(50, 1_100, 94)).0, RefusalReason::AmountDecreased);
}

#[test]
fn a_last_statement_is_signed_only_at_the_end_that_the_chain_has() {
    let (bid, lease) = (bid(), lease());
    let own = own(&bid, &lease, 1_100);
    let last = StatementProposal { last: true, ..proposal(100, 1_100, 200) };
    assert_eq!(refusal(&own, &last).0, RefusalReason::LastTooEarly);
    let ended = Lease { end_at: Timestamp(1_100), ..lease };
    assert!(check(ID, &Own { lease: &ended, ..own }, &last).is_ok());
}

#[test]
fn a_wrong_hash_and_a_lease_that_does_not_run_are_refused() {
    let (bid, lease) = (bid(), lease());
    let own = own(&bid, &lease, 1_100);
    let forged = StatementProposal { usage_hash: B256::ZERO, ..proposal(100, 1_100, 200) };
    assert_eq!(refusal(&own, &forged), (RefusalReason::UsageHashMismatch, Amount(200)));
    let closed = Lease { state: LeaseState::Closed, ..lease };
    let own = Own { lease: &closed, ..own };
    assert_eq!(refusal(&own, &proposal(100, 1_100, 200)), (RefusalReason::NotActive, Amount(0)));
}

#[test]
fn a_refusal_is_readable_by_programs() {
    let refusal = Refusal {
        reason: RefusalReason::AmountAboveUsage,
        proposed: Amount(7),
        largest_accepted: Amount(5),
        as_of: Timestamp(9),
        usage_hash: B256::repeat_byte(3),
    };
    let said = serde_json::to_string(&refusal).unwrap();
    assert_eq!(said, r#"{"reason":"amount_above_usage","proposed":"7","largestAccepted":"5"}"#);
    let told = serde_json::to_value(refusal.document()).unwrap();
    let expected = serde_json::json!({
        "reason": "amount_above_usage",
        "proposedCum": "7",
        "asOf": 9,
        "usageHash": format!("0x{}", "03".repeat(32)),
        "largestAcceptedCum": "5",
    });
    assert_eq!(told, expected);
}

#[test]
fn a_tolerance_is_so_much_and_a_share() {
    let tolerance = Tolerance { fixed: Amount(3), share: BasisPoints::new(150).unwrap() };
    assert_eq!(tolerance.over(Amount(1_000)), Amount(1_018));
    let (bid, lease) = (bid(), lease());
    let terms = Terms { tolerance, budget: None };
    let own = Own { terms, ..own(&bid, &lease, 1_100) };
    assert!(check(ID, &own, &proposal(50, 1_100, 104)).is_ok());
    assert_eq!(refusal(&own, &proposal(50, 1_100, 105)), (RefusalReason::AmountAboveUsage, Amount(104)));
}

#[test]
fn no_more_is_signed_for_than_the_budget() {
    let (bid, lease) = (bid(), lease());
    let terms = Terms { budget: Some(Amount(150)), ..Terms::default() };
    let own = Own { terms, ..own(&bid, &lease, 1_100) };
    assert!(check(ID, &own, &proposal(75, 1_100, 150)).is_ok());
    assert_eq!(refusal(&own, &proposal(76, 1_100, 152)), (RefusalReason::OverBudget, Amount(150)));
    // Without one it is what the lease holds: more could not be paid.
    let poor = Lease { balance: Amount(99), ..lease };
    let own = Own { lease: &poor, terms: Terms::default(), ..own };
    assert_eq!(refusal(&own, &proposal(50, 1_100, 100)), (RefusalReason::OverBudget, Amount(99)));
}

#[test]
fn what_is_owed_by_a_claim_is_never_below_what_was_signed_or_paid_nor_above_the_claim() {
    let (bid, lease) = (bid(), Lease { paid: Amount(20), last_as_of: Timestamp(1_010), ..lease() });
    let own = own(&bid, &lease, 3_000);
    let claim = |cum, at| PendingClaim { cum: Amount(cum), at: Timestamp(at), filed_at: Timestamp(2_900) };
    assert_eq!(owed(&own, &claim(500, 2_000)), Amount(500));
    assert_eq!(owed(&own, &claim(5_000, 2_000)), Amount(2_000));
    // An idle time was signed for: only what came after it, and a meter's lag, can be owed.
    let idle = proposal(0, 1_900, 30);
    let signed = Own { previous: Some(&idle), ..own };
    assert_eq!(owed(&signed, &claim(5_000, 2_000)), Amount(30 + 2 * (100 + METER_LAG_SECONDS as u128)));
    assert_eq!(owed(&signed, &claim(25, 1_500)), Amount(25));
    assert_eq!(owed(&signed, &claim(5_000, 1_001)), Amount(30));
}

fn tolerating(fixed: u128) -> Terms {
    Terms { tolerance: Tolerance { fixed: Amount(fixed), share: BasisPoints::ZERO }, budget: None }
}
