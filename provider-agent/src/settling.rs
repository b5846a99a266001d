//! When signed statements are worth the gas of settling them. A decision about values: no chain, no clock.
//!
//! A statement does not lose its value by waiting: it is cumulative, and the lease's money is locked. So settling early
//! buys nothing but cash flow, and a statement waits until a batch moves many times what its gas costs. What is held
//! too long goes as soon as it pays for itself.

use market::{Amount, LeaseId, U256};

use crate::config::{Seconds, Settlement};
use crate::pricing::{self, parse_amount};

/// Gas of a settlement beyond its items, and of each item: the contracts' own targets, which tests compare.
const BATCH_GAS: u64 = 41_700;
const ITEM_GAS: u64 = 27_800;
/// Smallest units in one coin of the chain.
const WEI: u64 = 1_000_000_000_000_000_000;

/// When to settle, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlingRules {
    /// The shortest time between two settlements of a running lease.
    pub interval: u64,
    /// Less than this is not settled while a lease runs.
    pub minimum: Amount,
    /// How many times its gas a settlement must move.
    pub gas_multiple: u64,
    /// What one coin of the chain is worth; none where gas is not counted.
    pub coin_price: Option<Amount>,
    /// What has waited this long need only pay for itself.
    pub longest_hold: u64,
}

/// A signed statement of a running lease that waits to be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The lease.
    pub lease: LeaseId,
    /// What it would move.
    pub unpaid: Amount,
    /// Seconds since the lease was settled.
    pub waited: u64,
}

impl SettlingRules {
    /// Reads the configuration for a token with `decimals`.
    pub fn new(settlement: &Settlement, decimals: u8) -> Result<Self, pricing::Error> {
        let Settlement {
            interval: Seconds(interval),
            minimum_amount,
            gas_multiple,
            coin_price,
            longest_hold: Seconds(longest_hold),
            warn_before: _,
            countersign_timeout: _,
            gate: _,
        } = *settlement;
        let coin_price = coin_price.map(|price| parse_amount("settlement.coin_price", price, decimals));
        Ok(Self {
            interval,
            minimum: parse_amount("settlement.minimum_amount", minimum_amount, decimals)?,
            gas_multiple: u64::from(gas_multiple),
            coin_price: coin_price.transpose()?,
            longest_hold,
        })
    }

    /// Which of `held` to settle now, at this price of gas in wei, in the order given.
    pub fn choose(&self, held: &[Held], gas_price: u128) -> Vec<LeaseId> {
        let item = self.cost(ITEM_GAS, gas_price);
        let alone = self.cost(BATCH_GAS + ITEM_GAS, gas_price);
        let is_overdue = |held: &Held| held.waited >= self.longest_hold && self.moves(held, alone, 1);
        // What is not worth its own place in a batch cannot make the batch worth more.
        let is_worth_its_place = |held: &Held| self.moves(held, item, self.gas_multiple);
        let is_due = |held: &Held| held.waited >= self.interval && held.unpaid >= self.minimum;

        let worth: Vec<&Held> = held.iter().filter(|held| is_worth_its_place(held)).collect();
        let sum: U256 = worth.iter().map(|held| U256::from(held.unpaid.0)).sum();
        let gas = U256::from(BATCH_GAS) + U256::from(ITEM_GAS) * U256::from(worth.len());
        let pays = worth.iter().any(|held| is_due(held))
            && sum >= self.price(gas, gas_price).saturating_mul(U256::from(self.gas_multiple));
        let goes = |held: &Held| is_overdue(held) || (pays && is_worth_its_place(held));
        held.iter().filter(|held| goes(held)).map(|held| held.lease).collect()
    }

    fn moves(&self, held: &Held, cost: U256, times: u64) -> bool {
        !held.unpaid.is_zero() && U256::from(held.unpaid.0) >= cost.saturating_mul(U256::from(times))
    }

    fn cost(&self, gas: u64, gas_price: u128) -> U256 {
        self.price(U256::from(gas), gas_price)
    }

    /// Gas in base units of the token, rounded up.
    fn price(&self, gas: U256, gas_price: u128) -> U256 {
        let Some(coin) = self.coin_price else { return U256::ZERO };
        let wei = gas.saturating_mul(U256::from(gas_price));
        wei.saturating_mul(U256::from(coin.0)).div_ceil(U256::from(WEI))
    }
}

#[cfg(test)]
mod tests {
    use market::B256;
    use proptest::prelude::*;

    use super::*;

    /// 2 000.000000 tokens a coin: at 0.5 gwei a gas costs a millionth of a token, one base unit.
    const COIN: Amount = Amount(2_000_000_000);
    const HALF_GWEI: u128 = 500_000_000;

    fn rules() -> SettlingRules {
        SettlingRules {
            interval: 3600,
            minimum: Amount(500_000),
            gas_multiple: 100,
            coin_price: Some(COIN),
            longest_hold: 86_400,
        }
    }

    fn held(number: u8, unpaid: u128, waited: u64) -> Held {
        Held { lease: LeaseId(B256::repeat_byte(number)), unpaid: Amount(unpaid), waited }
    }

    fn check(what: &str, rules: SettlingRules, waiting: &[Held], chosen: &[u8]) {
        let expected: Vec<_> = chosen.iter().map(|number| LeaseId(B256::repeat_byte(*number))).collect();
        assert_eq!(rules.choose(waiting, HALF_GWEI), expected, "{what}");
    }

    #[test]
    fn value_age_and_company_decide() {
        // Alone a settlement costs 69 500 base units, so it must move 6 950 000; each item more costs 27 800.
        check("nothing waits", rules(), &[], &[]);
        check("enough and due", rules(), &[held(1, 6_950_000, 3600)], &[1]);
        check("one short of enough", rules(), &[held(1, 6_949_999, 3600)], &[]);
        check("enough but not due", rules(), &[held(1, 6_950_000, 3599)], &[]);
        let two = [held(1, 5_000_000, 3600), held(2, 4_730_000, 0)];
        check("two share the batch, one of them due", rules(), &two, &[1, 2]);
        let two = [held(1, 5_000_000, 3600), held(2, 4_729_999, 0)];
        check("two that are one short together", rules(), &two, &[]);
        let three = [held(1, 6_950_000, 3600), held(2, 2_779_999, 9000), held(3, 2_780_000, 9000)];
        check("a small one stays, one that pays its place goes along", rules(), &three, &[1, 3]);
        check("held too long, it only pays for itself", rules(), &[held(1, 69_500, 86_400)], &[1]);
        check("held too long, and not worth its gas", rules(), &[held(1, 69_499, 90_000_000)], &[]);
        check("nothing to move", rules(), &[held(1, 0, 90_000_000)], &[]);
        let uncounted = SettlingRules { coin_price: None, ..rules() };
        check("gas that is not counted: the minimum", uncounted, &[held(1, 500_000, 3600)], &[1]);
        check("gas that is not counted: below it", uncounted, &[held(1, 499_999, 3600)], &[]);
    }

    #[test]
    fn the_gas_of_a_settlement_is_that_of_the_contracts_targets() {
        let targets = include_str!("../../contracts/gas-targets.json");
        let targets: serde_json::Value = serde_json::from_str(targets).unwrap();
        assert_eq!(targets["settle20"], ITEM_GAS);
        assert_eq!(targets["settleWithFee"], BATCH_GAS + ITEM_GAS);
    }

    fn any_held() -> impl Strategy<Value = Vec<Held>> {
        let one = (0u128..20_000_000, 0u64..200_000);
        proptest::collection::vec(one, 0..40).prop_map(|all| {
            let number = |(at, (unpaid, waited))| held(u8::try_from(at).unwrap(), unpaid, waited);
            all.into_iter().enumerate().map(number).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_settled_before_its_time_moves_its_gas_many_times(all in any_held(), price in 0u128..2_000_000_000) {
            let rules = rules();
            let chosen = rules.choose(&all, price);
            let early: Vec<_> = all
                .iter()
                .filter(|held| chosen.contains(&held.lease) && held.waited < rules.longest_hold)
                .collect();
            if !early.is_empty() && early.len() == chosen.len() {
                let sum: u128 = early.iter().map(|held| held.unpaid.0).sum();
                let gas = u128::from(BATCH_GAS) + u128::from(ITEM_GAS) * early.len() as u128;
                prop_assert!(sum * u128::from(WEI) >= gas * price * COIN.0 * 100);
                prop_assert!(early.iter().any(|held| held.waited >= rules.interval));
            }
            prop_assert!(all.iter().all(|held| !held.unpaid.is_zero() || !chosen.contains(&held.lease)));
        }

        #[test]
        fn more_value_longer_waits_and_cheaper_gas_never_keep_back_what_would_go(
            all in any_held(), at in any::<prop::sample::Index>(), more in 0u128..9_000_000, later in 0u64..90_000,
            price in 0u128..2_000_000_000, cheaper in 0u128..2_000_000_000,
        ) {
            prop_assume!(!all.is_empty());
            let before = rules().choose(&all, price);
            let mut better = all.clone();
            let changed = at.get(&all).lease;
            for held in better.iter_mut().filter(|held| held.lease == changed) {
                held.unpaid = Amount(held.unpaid.0 + more);
                held.waited += later;
            }
            let after = rules().choose(&better, price.saturating_sub(cheaper));
            prop_assert!(before.iter().all(|lease| after.contains(lease)), "{before:?} {after:?}");
        }

        #[test]
        fn no_numbers_overflow(unpaid: u128, waited: u64, price: u128, coin: u128, multiple: u64) {
            let rules = SettlingRules { coin_price: Some(Amount(coin)), gas_multiple: multiple, ..rules() };
            rules.choose(&[held(1, unpaid, waited), held(2, unpaid, waited)], price);
        }
    }
}
