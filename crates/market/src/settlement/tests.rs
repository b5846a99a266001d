//! The worked vector of the specification and the laws that the arithmetic obeys.

use alloy_primitives::{Address, B256};
use proptest::prelude::*;

use super::*;
use crate::{Dimension, LeaseId, PendingClaim, Price};

const PRICES: Prices = Prices([
    Price(555_555_555_555_555_555),
    Price(2_777_777_777_777_777),
    Price(1_293_503_575),
    Price(25_870_071),
    Price(138_888_888_888_888_888),
    Price(10_000_000_000_000),
    Price(0),
    Price(0),
]);
const LIMITS: Limits = Limits([1, 8000, 34_359_738_368, 107_374_182_400, 1000, 12_500_000, 0, 0]);

fn lease() -> Lease {
    Lease {
        state: LeaseState::Active,
        tenant: Address::repeat_byte(1),
        provider: Address::repeat_byte(2),
        signer: Address::repeat_byte(3),
        token: Address::repeat_byte(4),
        started_at: Some(Timestamp(1000)),
        end_at: Timestamp(5000),
        last_as_of: Timestamp(2000),
        rate_cap_e6: 2_500_000,
        fee_bps: BasisPoints::ZERO,
        balance: Amount(5000),
        paid: Amount(100),
        pending: None,
        disputed_at: None,
    }
}

fn statement(cum: u128, as_of: u64) -> Statement {
    Statement {
        lease_id: LeaseId(B256::repeat_byte(5)),
        amount_cum: Amount(cum),
        as_of: Timestamp(as_of),
        usage_hash: B256::ZERO,
        last: false,
    }
}

#[test]
fn the_worked_vector_of_the_specification_holds() {
    let usage =
        Usage([3600, 14_400_000, 61_847_529_062_400, 386_547_056_640_000, 1_800_000, 3_600_000_000, 0, 0]);
    assert_eq!(amount(&PRICES, &LIMITS, &usage, 3600), Amount(417_999));
    assert_eq!(rate_cap_e6(&PRICES, &LIMITS), Ok(333_888_889));
}

#[test]
fn usage_above_a_limit_is_billed_at_the_limit() {
    let greedy = Usage([u128::MAX; 8]);
    let exact = Usage(LIMITS.0.map(|limit| u128::from(limit) * 60));
    assert_eq!(amount(&PRICES, &LIMITS, &greedy, 60), amount(&PRICES, &LIMITS, &exact, 60));
}

#[test]
fn a_rate_of_zero_or_beyond_96_bits_is_refused() {
    assert_eq!(rate_cap_e6(&Prices::default(), &LIMITS), Err(ArithmeticError::ZeroRate));
    let dear = Prices::default().with(Dimension::Memory, Price(u128::MAX));
    assert_eq!(rate_cap_e6(&dear, &LIMITS), Err(ArithmeticError::RateTooLarge));
    let edge = Prices::default().with(Dimension::Uptime, Price(MAX_UINT96 * 1_000_000_000));
    assert_eq!(rate_cap_e6(&edge, &LIMITS.with(Dimension::Uptime, 1000)), Ok(MAX_UINT96));
    assert_eq!(rate_cap_e6(&edge, &LIMITS.with(Dimension::Uptime, 1001)), Err(ArithmeticError::RateTooLarge));
}

#[test]
fn a_cap_before_the_last_settlement_is_refused() {
    let before = cap_cum(Amount(0), 1, Timestamp(10), Timestamp(9));
    let error = ArithmeticError::BeforeLastSettled { as_of: Timestamp(9), last_as_of: Timestamp(10) };
    assert_eq!(before, Err(error));
    assert_eq!(cap_cum(Amount(7), 2_500_000, Timestamp(10), Timestamp(13)), Ok(Amount(14)));
    assert_eq!(
        cap_cum(Amount::MAX, 1_000_000, Timestamp(0), Timestamp(1)),
        Err(ArithmeticError::AmountTooLarge)
    );
}

#[test]
fn a_payout_never_exceeds_the_balance_and_its_fee_rounds_down() {
    let fee = BasisPoints::new(100).unwrap();
    let whole = Payout { amount: Amount(199), fee: Amount(1), net: Amount(198) };
    assert_eq!(payout(Amount(299), Amount(100), Amount(1000), fee), whole);
    assert_eq!(payout(Amount(5000), Amount(100), Amount(199), fee), whole);
    assert_eq!(payout(Amount(99), Amount(100), Amount(1000), fee), Payout::default());
}

#[test]
fn a_statement_within_its_bounds_is_accepted() {
    assert_eq!(check_statement(&lease(), &statement(100, 2000), Timestamp(2000)), Ok(()));
    assert_eq!(check_statement(&lease(), &statement(350, 2100), Timestamp(2100)), Ok(()));
    assert_eq!(check_statement(&lease(), &statement(7600, 5000), Timestamp(9000)), Ok(()));
}

#[test]
fn each_fault_of_a_statement_is_named() {
    let check = |cum, as_of, now| check_statement(&lease(), &statement(cum, as_of), Timestamp(now));
    let too_late =
        |as_of, bound| StatementProblem::TooLate { as_of: Timestamp(as_of), bound: Timestamp(bound) };
    assert_eq!(check(100, 2101, 2100), Err(too_late(2101, 2100)));
    assert_eq!(check(100, 5001, 9000), Err(too_late(5001, 5000)));
    assert_eq!(
        check(351, 2100, 2100),
        Err(StatementProblem::AboveCap { cum: Amount(351), cap: Amount(350) })
    );
    assert_eq!(
        check(99, 2100, 2100),
        Err(StatementProblem::BelowPaid { cum: Amount(99), paid: Amount(100) })
    );
    let before = ArithmeticError::BeforeLastSettled { as_of: Timestamp(1999), last_as_of: Timestamp(2000) };
    assert_eq!(check(100, 1999, 2100), Err(StatementProblem::Cap(before)));
    let closed = Lease { state: LeaseState::Closed, ..lease() };
    assert_eq!(
        check_statement(&closed, &statement(100, 2000), Timestamp(2000)),
        Err(StatementProblem::WrongState(LeaseState::Closed))
    );
}

fn disputed() -> Lease {
    let pending = PendingClaim { cum: Amount(900), at: Timestamp(2000), filed_at: Timestamp(2010) };
    Lease {
        state: LeaseState::Disputed,
        end_at: Timestamp(2100),
        pending: Some(pending),
        disputed_at: Some(Timestamp(2100)),
        ..lease()
    }
}

#[test]
fn what_was_signed_before_a_dispute_is_owed_up_to_the_claim() {
    let check = |cum, as_of| check_admission(&disputed(), &statement(cum, as_of));
    assert_eq!(check(101, 0), Ok(()));
    assert_eq!(check(900, 2100), Ok(()));
    let (cum, cap) = (Amount(901), Amount(900));
    assert_eq!(check(901, 2100), Err(StatementProblem::AboveCap { cum, cap }));
    let paid = Amount(100);
    assert_eq!(check(100, 2100), Err(StatementProblem::BelowPaid { cum: paid, paid }));
    let (as_of, bound) = (Timestamp(2101), Timestamp(2100));
    assert_eq!(check(900, 2101), Err(StatementProblem::TooLate { as_of, bound }));
    let active = check_admission(&lease(), &statement(900, 2000));
    assert_eq!(active, Err(StatementProblem::WrongState(LeaseState::Active)));
}

#[test]
fn a_disputed_claim_is_raised_by_the_time_since_and_by_nothing_else() {
    // 100 s at 2.5 a second.
    assert_eq!(supplement_cum(&disputed(), Amount(5000)), Some(Amount(1150)));
    assert_eq!(supplement_cum(&disputed(), Amount(901)), Some(Amount(901)));
    assert_eq!(supplement_cum(&disputed(), Amount(900)), None);
    let poor = Lease { balance: Amount(850), ..disputed() };
    assert_eq!(supplement_cum(&poor, Amount(5000)), Some(Amount(950)));
    let raised = PendingClaim { at: Timestamp(2100), ..disputed().pending.unwrap() };
    assert_eq!(supplement_cum(&Lease { pending: Some(raised), ..disputed() }, Amount(5000)), None);
    assert_eq!(supplement_cum(&lease(), Amount(5000)), None);
}

#[test]
fn what_is_signed_leaves_the_rest_of_the_money_for_the_time_after_it() {
    // 2.5 a second; 400 signed up to 2000 leave 4600, which last for 1840 s.
    let lease = Lease { balance: Amount(5000), last_as_of: Timestamp(1000), ..lease() };
    assert_eq!(funded_until(&lease), Some(Timestamp(3000)));
    let after = |cum, as_of| funded_until_after(&lease, &statement(cum, as_of));
    assert_eq!(after(lease.paid.0 + 400, 2000), Some(Timestamp(3840)));
    assert_eq!(after(lease.paid.0, 1000), funded_until(&lease));
    assert_eq!(after(0, 0), funded_until(&lease), "an old statement changes nothing");
    assert_eq!(after(u128::MAX, 2000), Some(Timestamp(2000)), "no more than everything is owed");
    assert_eq!(funded_until_after(&disputed(), &statement(900, 2000)), None);
}

#[test]
fn money_lasts_as_long_as_the_full_rate_allows() {
    assert_eq!(funded_until(&lease()), Some(Timestamp(4000)));
    assert_eq!(funded_until(&Lease { balance: Amount::MAX, ..lease() }), Some(Timestamp(5000)));
    assert_eq!(funded_until(&Lease { state: LeaseState::Open, ..lease() }), None);
    assert_eq!(funded_until(&Lease { rate_cap_e6: 0, ..lease() }), None);
}

fn terms() -> impl Strategy<Value = (Prices, Limits)> {
    // Prices and limits whose rate fits, with zeros among them.
    let price = prop_oneof![Just(0u128), 0u128..1 << 70];
    let limit = prop_oneof![Just(0u64), 0u64..1 << 32];
    (prop::array::uniform8(price), prop::array::uniform8(limit))
        .prop_map(|(prices, limits)| (Prices(prices.map(Price)), Limits(limits)))
}

/// Usage that grows by `steps`, each at most the limits over the step's seconds.
fn run() -> impl Strategy<Value = Vec<(u32, [u8; 8])>> {
    prop::collection::vec((0u32..100_000, any::<[u8; 8]>()), 1..12)
}

proptest! {
    #[test]
    fn the_amount_is_monotone_in_usage_and_in_time(
        (prices, limits) in terms(), usage: [u128; 8], more: [u32; 8], elapsed in 0u64..1 << 40, later in 0u64..1 << 20
    ) {
        let usage = Usage(usage.map(|counter| counter >> 1));
        let grown = usage.checked_add(&Usage(more.map(u128::from))).unwrap();
        let base = amount_exact(&prices, &limits, &usage, elapsed);
        prop_assert!(base <= amount_exact(&prices, &limits, &grown, elapsed));
        prop_assert!(base <= amount_exact(&prices, &limits, &usage, elapsed + later));
    }

    #[test]
    fn the_amount_never_exceeds_the_rate_cap_times_the_time(
        (prices, limits) in terms(), usage: [u128; 8], elapsed in 0u64..1 << 40
    ) {
        let due = amount_exact(&prices, &limits, &Usage(usage), elapsed);
        match rate_cap_e6(&prices, &limits) {
            Ok(rate) => prop_assert!(due <= U256::from(rate) * U256::from(elapsed) / U256::from(RATE_SCALE)),
            Err(ArithmeticError::ZeroRate) => prop_assert_eq!(due, U256::ZERO),
            Err(_) => {}
        }
    }

    #[test]
    fn settling_often_pays_what_settling_once_pays((prices, limits) in terms(), steps in run(), fee in 0u16..=500) {
        // Cumulative amounts telescope: however often they are paid, the sum is the last one.
        let fee = BasisPoints::new(fee).unwrap();
        let (mut paid, mut elapsed, mut usage) = (Amount::ZERO, 0u64, Usage::ZERO);
        for (seconds, share) in steps {
            elapsed += u64::from(seconds);
            for ((counter, limit), share) in usage.0.iter_mut().zip(limits.0).zip(share) {
                *counter += u128::from(limit) * u128::from(seconds) * u128::from(share) / 255;
            }
            let cum = amount(&prices, &limits, &usage, elapsed);
            let step = payout(cum, paid, Amount::MAX, fee);
            prop_assert_eq!(step.fee.checked_add(step.net), Some(step.amount));
            paid = paid.checked_add(step.amount).unwrap();
        }
        prop_assert_eq!(paid, amount(&prices, &limits, &usage, elapsed));
    }

    #[test]
    fn no_payout_exceeds_cap_or_balance(
        due: u128, paid in 0u128..1 << 100, balance: u128, rate in 1u128..=MAX_UINT96,
        from in 0u64..1 << 39, seconds in 0u64..1 << 39, fee in 0u16..=10_000
    ) {
        let cap = cap_cum(Amount(paid), rate, Timestamp(from), Timestamp(from + seconds)).unwrap();
        let cum = claim_cum(Amount(due), cap, Amount(paid), Amount(balance));
        let step = payout(cum, Amount(paid), Amount(balance), BasisPoints::new(fee).unwrap());
        prop_assert!(step.amount.0 <= balance);
        prop_assert!(step.amount <= cap.checked_sub(Amount(paid)).unwrap());
        prop_assert!(step.net <= step.amount);
    }

    #[test]
    fn no_number_makes_the_arithmetic_panic(
        prices: [u128; 8], limits: [u64; 8], usage: [u128; 8], elapsed: u64, a: u128, b: u128, from: u64, to: u64
    ) {
        let (prices, limits) = (Prices(prices.map(Price)), Limits(limits));
        let due = amount(&prices, &limits, &Usage(usage), elapsed);
        let rate = rate_cap_e6(&prices, &limits);
        prop_assert!(rate.is_ok_and(|rate| rate <= MAX_UINT96) || rate.is_err());
        if let Ok(cap) = cap_cum(Amount(a), b, Timestamp(from), Timestamp(to)) {
            prop_assert!(claim_cum(due, cap, Amount(a), Amount(b)) <= cap);
        }
    }
}
