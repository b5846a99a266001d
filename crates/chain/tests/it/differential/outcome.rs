//! What comes of a case, in the one form in which all sides are compared; and what Rust says comes of it.

use std::fmt;

use alloy::primitives::U256;
use market::{
    Amount, ArithmeticError, BasisPoints, Lease, Limits, Price, Prices, Timestamp, Usage, amount_exact,
    cap_cum, claim_cum, funded_until, payout, rate_cap_e6,
};

use super::case::Case;

/// Everything that is compared. Its text is what the JavaScript side writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) rate: Rate,
    pub(super) amount: U256,
    /// What only a lease has, and no lease has a rate that is refused.
    pub(super) life: Option<Life>,
}

/// A rate cap, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    Zero,
    TooLarge,
    Cap(u128),
}

/// What the market does with a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// None beyond 128 bits.
    pub(super) cap_cum: Option<u128>,
    /// None if nothing new could be billed.
    pub(super) claim_cum: Option<u128>,
    pub(super) paid_out: u128,
    pub(super) fee: u128,
    pub(super) net: u128,
    pub(super) share: u128,
    pub(super) funded_until: u64,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("zero"),
            Self::TooLarge => f.write_str("too-large"),
            Self::Cap(rate) => rate.fmt(f),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, amount, life } = self;
        write!(f, "rate={rate} amount={amount}")?;
        let Some(Life { cap_cum, claim_cum, paid_out, fee, net, share, funded_until }) = life else {
            return Ok(());
        };
        let or = |number: &Option<u128>, none: &str| number.map_or(none.to_owned(), |n| n.to_string());
        let (cap_cum, claim_cum) = (or(cap_cum, "too-large"), or(claim_cum, "nothing"));
        write!(f, " capCum={cap_cum} claimCum={claim_cum} paidOut={paid_out} fee={fee} net={net}")?;
        write!(f, " share={share} fundedUntil={funded_until}")
    }
}

impl Outcome {
    /// What the crate `market` computes.
    pub(super) fn in_rust(case: &Case) -> Self {
        let (prices, limits) = (Prices(case.price.map(Price)), Limits(case.limit));
        let elapsed = case.as_of() - case.started_at;
        let due = amount_exact(&prices, &limits, &Usage(case.usage), elapsed);
        let rate = match rate_cap_e6(&prices, &limits) {
            Ok(rate) => Rate::Cap(rate),
            Err(ArithmeticError::ZeroRate) => Rate::Zero,
            Err(_) => Rate::TooLarge,
        };
        let life = match rate {
            Rate::Cap(rate) => Some(Life::in_rust(case, rate, Amount(due.saturating_to()))),
            Rate::Zero | Rate::TooLarge => None,
        };
        Self { rate, amount: due, life }
    }
}

impl Life {
    fn in_rust(case: &Case, rate: u128, due: Amount) -> Self {
        let (paid, balance) = (Amount(case.paid), Amount(case.balance));
        let cap = cap_cum(paid, rate, Timestamp(case.last_as_of), Timestamp(case.as_of())).ok();
        let claim = claim_cum(due, cap.unwrap_or(Amount::MAX), paid, balance);
        let out = payout(Amount(case.cum), paid, balance, bps(case.fee_bps));
        Self {
            cap_cum: cap.map(|cap| cap.0),
            claim_cum: (claim > paid).then_some(claim.0),
            paid_out: out.amount.0,
            fee: out.fee.0,
            net: out.net.0,
            share: bps(case.split_bps).of(Amount(case.contested)).0,
            funded_until: funded_until(&lease(case, rate)).unwrap_or_default().0,
        }
    }
}

fn bps(share: u16) -> BasisPoints {
    BasisPoints::new(share).unwrap_or(BasisPoints::WHOLE)
}

fn lease(case: &Case, rate_cap_e6: u128) -> Lease {
    Lease {
        started_at: Some(Timestamp(case.started_at)),
        end_at: Timestamp(case.end_at),
        last_as_of: Timestamp(case.last_as_of),
        rate_cap_e6,
        fee_bps: bps(case.fee_bps),
        balance: Amount(case.balance),
        paid: Amount(case.paid),
        ..testkit::lease()
    }
}
