//! How prices move with the tier, the duration and how full the cluster is. All factors are whole millionths.

use market::{Price, Tier, U256};

use super::{Error, power_of_ten};
use crate::config::{Adjust, Decimal};

/// One, in millionths.
const ONE: u32 = 1_000_000;
/// The least and the most that a factor may be: beyond it is a slip of the pen.
const FACTORS: std::ops::RangeInclusive<u32> = ONE / 100..=ONE * 100;

/// A share of a whole, in millionths: from 0 to 1 000 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Everything.
    pub const WHOLE: Self = Self(ONE);

    /// `part` of `whole`, rounded down; all of it where there is no whole, or more than that is taken.
    pub fn of(part: u64, whole: u64) -> Self {
        let millionths = (u128::from(part) * u128::from(ONE)).checked_div(u128::from(whole));
        Self(millionths.and_then(|share| u32::try_from(share).ok()).map_or(ONE, |share| share.min(ONE)))
    }
}

/// What an order is about, as far as prices depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    pub tier: Tier,
    /// Seconds.
    pub duration: u32,
    /// How much of the cluster is promised already.
    pub utilisation: Share,
}

/// The factors of every price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    tiers: Vec<(Tier, u32)>,
    curve: Vec<(Share, u32)>,
    steps: Vec<(u64, u32)>,
}

impl Adjustment {
    /// Reads the configuration.
    pub fn new(adjust: &Adjust) -> Result<Self, Error> {
        let Adjust { tier, utilisation, duration } = adjust;
        let tiers =
            tier.iter().map(|(name, by)| Ok((Tier::from(*name), factor("pricing.adjust.tier", *by)?)));
        let curve = utilisation.iter().map(|point| {
            let used = millionths(point.used).filter(|used| *used <= ONE);
            let used = used.ok_or(Error::Share("pricing.adjust.utilisation.used"))?;
            Ok((Share(used), factor("pricing.adjust.utilisation.factor", point.factor)?))
        });
        let steps = duration
            .iter()
            .map(|step| Ok((step.from.0, factor("pricing.adjust.duration.factor", step.factor)?)));
        let adjustment = Self {
            tiers: tiers.collect::<Result<_, Error>>()?,
            curve: curve.collect::<Result<_, Error>>()?,
            steps: steps.collect::<Result<_, Error>>()?,
        };
        if !adjustment.curve.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(Error::Order("pricing.adjust.utilisation"));
        }
        if !adjustment.steps.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(Error::Order("pricing.adjust.duration"));
        }
        Ok(adjustment)
    }

    /// A price with all factors, rounded down, in the tenant's favour; never nothing where there was a price.
    pub fn apply(&self, price: Price, circumstances: &Circumstances) -> Price {
        let factors = [
            self.of_tier(circumstances.tier),
            self.of_utilisation(circumstances.utilisation),
            self.of_duration(circumstances.duration),
        ];
        let product = factors.into_iter().fold(U256::from(price.0), |product, by| product * U256::from(by));
        let adjusted = product / power_of_ten(18);
        Price(u128::try_from(adjusted).unwrap_or(u128::MAX).max(price.0.min(1)))
    }

    fn of_tier(&self, tier: Tier) -> u32 {
        self.tiers.iter().find(|(of, _)| *of == tier).map_or(ONE, |(_, factor)| *factor)
    }

    fn of_duration(&self, duration: u32) -> u32 {
        let reached = self.steps.iter().rev().find(|(from, _)| *from <= u64::from(duration));
        reached.map_or(ONE, |(_, factor)| *factor)
    }

    fn of_utilisation(&self, used: Share) -> u32 {
        let after = self.curve.partition_point(|(at, _)| *at <= used);
        match (after.checked_sub(1).map(|before| self.curve[before]), self.curve.get(after)) {
            (None, None) => ONE,
            (Some((_, factor)), None) => factor,
            (None, Some((_, factor))) => *factor,
            (Some((Share(from), low)), Some((Share(to), high))) => {
                // Rounded towards the point before.
                let (way, whole) = (i64::from(used.0 - from), i64::from(to - from));
                let factor = i64::from(low) + (i64::from(*high) - i64::from(low)) * way / whole;
                u32::try_from(factor).expect("a factor between two factors is one")
            }
        }
    }
}

fn factor(key: &'static str, decimal: Decimal) -> Result<u32, Error> {
    millionths(decimal).filter(|factor| FACTORS.contains(factor)).ok_or(Error::Factor(key))
}

/// Only exact conversions.
fn millionths(decimal: Decimal) -> Option<u32> {
    let scaled = U256::from(decimal.mantissa) * U256::from(ONE);
    let (quotient, remainder) = scaled.div_rem(power_of_ten(decimal.scale));
    u32::try_from(quotient).ok().filter(|_| remainder.is_zero())
}

#[cfg(test)]
mod tests;
