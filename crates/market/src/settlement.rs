//! What metered usage costs. The contract computes the same numbers; neither side may round differently.

use alloy_primitives::{U256, U512};

use crate::{
    Amount, BasisPoints, Lease, LeaseState, Limits, MAX_UINT96, Prices, Statement, Timestamp, Usage,
};

/// Prices carry this factor over base units.
const PRICE_SCALE: u64 = 1_000_000_000_000_000_000;
/// A rate cap carries 10^6 over base units, which leaves this factor of a price.
const PRICE_SCALE_OVER_E6: u64 = 1_000_000_000_000;
/// A rate cap's own factor over base units.
const RATE_SCALE: u64 = 1_000_000;

/// Numbers that the chain could not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArithmeticError {
    /// The prices or the limits are all zero, so nothing could ever be paid.
    #[error("the rate cap is zero")]
    ZeroRate,
    /// The rate cap does not fit 96 bits.
    #[error("the rate cap does not fit 96 bits")]
    RateTooLarge,
    /// The cumulative amount does not fit 128 bits.
    #[error("the cumulative amount does not fit 128 bits")]
    AmountTooLarge,
    /// An interval that ends before it starts.
    #[error("the moment {as_of} lies before the last settled moment {last_as_of}")]
    BeforeLastSettled {
        /// The moment asked for.
        as_of: Timestamp,
        /// The last settled moment.
        last_as_of: Timestamp,
    },
}

/// The most a lease with these terms may cost, in millionths of a base unit per second, rounded up.
pub fn rate_cap_e6(prices: &Prices, limits: &Limits) -> Result<u128, ArithmeticError> {
    // Eight products of 128 and 64 bits stay below 2^195.
    let sum: U256 =
        prices.0.iter().zip(limits.0).map(|(price, limit)| U256::from(price.0) * U256::from(limit)).sum();
    let rate = sum.div_ceil(U256::from(PRICE_SCALE_OVER_E6));
    match u128::try_from(rate) {
        Ok(0) => Err(ArithmeticError::ZeroRate),
        Ok(rate) if rate <= MAX_UINT96 => Ok(rate),
        _ => Err(ArithmeticError::RateTooLarge),
    }
}

/// What `usage` costs after `elapsed` seconds, each resource capped at its limit, rounded down once.
pub fn amount_exact(prices: &Prices, limits: &Limits, usage: &Usage, elapsed: u64) -> U256 {
    let mut sum = U512::ZERO;
    for ((price, limit), used) in prices.0.iter().zip(limits.0).zip(usage.0) {
        let billed = used.min(u128::from(limit) * u128::from(elapsed));
        sum += U512::from(price.0) * U512::from(billed);
    }
    // Below 2^259 / 2^59, so it always fits.
    U256::saturating_from(sum / U512::from(PRICE_SCALE))
}

/// [`amount_exact`] as an amount.
///
/// A lease's rate cap fits 96 bits and its term 40, so a real lease never exceeds 117 bits. Numbers that
/// could not be a lease saturate, which no payout notices because it is bounded by the balance.
pub fn amount(prices: &Prices, limits: &Limits, usage: &Usage, elapsed: u64) -> Amount {
    Amount(amount_exact(prices, limits, usage, elapsed).saturating_to())
}

/// The most that may have been paid in all by `as_of`, given what was paid by `last_as_of`.
pub fn cap_cum(
    paid: Amount,
    rate_cap_e6: u128,
    last_as_of: Timestamp,
    as_of: Timestamp,
) -> Result<Amount, ArithmeticError> {
    if as_of < last_as_of {
        return Err(ArithmeticError::BeforeLastSettled { as_of, last_as_of });
    }
    let interval = U256::from(rate_cap_e6) * U256::from(as_of.0 - last_as_of.0) / U256::from(RATE_SCALE);
    u128::try_from(interval)
        .ok()
        .and_then(|interval| paid.checked_add(Amount(interval)))
        .ok_or(ArithmeticError::AmountTooLarge)
}

/// What a provider may claim in all: what is due, within the interval's cap and the money there is.
pub fn claim_cum(due: Amount, cap_cum: Amount, paid: Amount, balance: Amount) -> Amount {
    due.min(cap_cum).min(paid.saturating_add(balance))
}

/// What one payment moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Payout {
    /// What leaves the lease's balance.
    pub amount: Amount,
    /// The market's part of it.
    pub fee: Amount,
    /// The provider's part of it.
    pub net: Amount,
}

/// What paying up to `cum` moves when `paid` was paid before and `balance` is left.
pub fn payout(cum: Amount, paid: Amount, balance: Amount, fee_bps: BasisPoints) -> Payout {
    let amount = cum.saturating_sub(paid).min(balance);
    let fee = fee_bps.of(amount);
    Payout { amount, fee, net: amount.saturating_sub(fee) }
}

/// Until when an active lease's balance lasts at its full rate, at most its end; none if it is not active.
pub fn funded_until(lease: &Lease) -> Option<Timestamp> {
    if lease.state != LeaseState::Active || lease.rate_cap_e6 == 0 {
        return None;
    }
    let seconds = U256::from(lease.balance.0) * U256::from(RATE_SCALE) / U256::from(lease.rate_cap_e6);
    Some(lease.last_as_of.saturating_add(seconds.saturating_to()).min(lease.end_at))
}

/// The same once a statement is settled: what is signed is owed at its own price, and not at the full rate.
pub fn funded_until_after(lease: &Lease, statement: &Statement) -> Option<Timestamp> {
    let paid = statement.amount_cum.max(lease.paid);
    funded_until(&Lease {
        balance: lease.balance.saturating_sub(paid.saturating_sub(lease.paid)),
        last_as_of: lease.last_as_of.max(statement.as_of),
        paid,
        ..*lease
    })
}

/// Why the chain would skip a statement now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementProblem {
    /// The lease is not running.
    #[error("the lease is {0:?}, not active")]
    WrongState(LeaseState),
    /// The statement reaches past now or past the end of the lease.
    #[error("the statement counts to {as_of}, later than {bound}")]
    TooLate {
        /// The statement's moment.
        as_of: Timestamp,
        /// The latest moment allowed.
        bound: Timestamp,
    },
    /// The statement's interval or amount cannot be.
    #[error("the statement's cap cannot be computed")]
    Cap(#[source] ArithmeticError),
    /// Less than what was already paid.
    #[error("the statement's {cum} is below the {paid} already paid")]
    BelowPaid {
        /// The statement's amount.
        cum: Amount,
        /// What was paid.
        paid: Amount,
    },
    /// More than the rate cap allows for the interval.
    #[error("the statement's {cum} is above the interval's cap {cap}")]
    AboveCap {
        /// The statement's amount.
        cum: Amount,
        /// The cap.
        cap: Amount,
    },
}

/// Checks what `settle` checks about a statement, apart from its signature.
pub fn check_statement(lease: &Lease, statement: &Statement, now: Timestamp) -> Result<(), StatementProblem> {
    if lease.state != LeaseState::Active {
        return Err(StatementProblem::WrongState(lease.state));
    }
    let (cum, as_of, bound) = (statement.amount_cum, statement.as_of, now.min(lease.end_at));
    if as_of > bound {
        return Err(StatementProblem::TooLate { as_of, bound });
    }
    let cap =
        cap_cum(lease.paid, lease.rate_cap_e6, lease.last_as_of, as_of).map_err(StatementProblem::Cap)?;
    if cum < lease.paid {
        return Err(StatementProblem::BelowPaid { cum, paid: lease.paid });
    }
    if cum > cap {
        return Err(StatementProblem::AboveCap { cum, cap });
    }
    Ok(())
}

/// Checks what `settle` checks about a statement of a disputed lease, apart from its signature: what was signed before
/// the dispute stays owed, up to what is claimed.
pub fn check_admission(lease: &Lease, statement: &Statement) -> Result<(), StatementProblem> {
    let (LeaseState::Disputed, Some(pending)) = (lease.state, lease.pending) else {
        return Err(StatementProblem::WrongState(lease.state));
    };
    let (cum, as_of) = (statement.amount_cum, statement.as_of);
    if cum <= lease.paid {
        return Err(StatementProblem::BelowPaid { cum, paid: lease.paid });
    }
    if as_of > lease.end_at {
        return Err(StatementProblem::TooLate { as_of, bound: lease.end_at });
    }
    if cum > pending.cum {
        return Err(StatementProblem::AboveCap { cum, cap: pending.cum });
    }
    Ok(())
}

/// What a disputed claim may be raised to, once, by the work between the claim and the dispute, of which `due` is the
/// price of everything; none if that is no more than what is claimed.
pub fn supplement_cum(lease: &Lease, due: Amount) -> Option<Amount> {
    let pending = lease.pending.filter(|_| lease.state == LeaseState::Disputed)?;
    let cap = cap_cum(pending.cum, lease.rate_cap_e6, pending.at, lease.end_at).ok()?;
    let cum = claim_cum(due, cap, lease.paid, lease.balance);
    (cum > pending.cum).then_some(cum)
}

#[cfg(test)]
mod tests;
