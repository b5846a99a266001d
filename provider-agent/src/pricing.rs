//! Prices per human unit to prices per unit of the chain, once, exactly, at start.
//!
//! `price = tokens × 10^decimals × 10^18 / (units of the chain in one human unit)`, rounded **down**, in the tenant's favour. A price that is not
//! zero in the file but would round to zero is an error, because it would give the resource away.

mod adjustment;

use std::collections::BTreeMap;

use market::{Amount, Dimension, Price, Prices, Requirements, ServiceRequirements, U256};

use crate::config::{Decimal, Pricing};
pub use adjustment::{Adjustment, Circumstances, Share};

const SECONDS_PER_HOUR: u64 = 3600;
const SECONDS_PER_MONTH: u64 = 30 * 24 * SECONDS_PER_HOUR;
const MILLI: u64 = 1000;
const GIB: u64 = 1 << 30;

/// Why a price or an amount cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Rounds to nothing.
    #[error("the price of {0} is too small: it rounds to zero, and \"0\" says so plainly")]
    RoundsToZero(Dimension),
    /// Beyond 128 bits.
    #[error("the price of {0} is too large")]
    PriceTooLarge(Dimension),
    /// A factor that is none, or surely not meant.
    #[error("{0} must be between 0.01 and 100, with at most six decimals")]
    Factor(&'static str),
    /// A share of more than the whole.
    #[error("{0} must be between 0 and 1, with at most six decimals")]
    Share(&'static str),
    /// A list that must ascend and does not.
    #[error("{0} must ascend")]
    Order(&'static str),
    /// An amount that the token cannot express.
    #[error("{0} has more decimals than the token or is too large")]
    Amount(&'static str),
}

/// What is sold, and for how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceList {
    prices: [Option<Price>; 8],
    /// Of GPUs that have a price of their own.
    gpu_models: BTreeMap<String, Price>,
    adjustment: Adjustment,
}

impl PriceList {
    /// Reads the configuration's prices for a token with `decimals`.
    pub fn new(pricing: &Pricing, decimals: u8) -> Result<Self, Error> {
        // No `..`: a price that is configured but not sold would be a surprise.
        let Pricing {
            lease_hour,
            cpu_core_hour,
            memory_gib_hour,
            storage_gib_month,
            gpu_hour,
            gpu_model_hour,
            egress_gib,
            leased_ip_hour,
            device_hour,
            adjust,
        } = pricing;
        let price = |dimension, tokens: &Option<Decimal>, units: u64| {
            tokens.map(|tokens| parse_price(dimension, tokens, decimals, units)).transpose()
        };
        Ok(Self {
            prices: [
                price(Dimension::Uptime, lease_hour, SECONDS_PER_HOUR)?,
                price(Dimension::Cpu, cpu_core_hour, MILLI * SECONDS_PER_HOUR)?,
                price(Dimension::Memory, memory_gib_hour, GIB * SECONDS_PER_HOUR)?,
                price(Dimension::Storage, storage_gib_month, GIB * SECONDS_PER_MONTH)?,
                price(Dimension::Gpu, gpu_hour, MILLI * SECONDS_PER_HOUR)?,
                price(Dimension::Egress, egress_gib, GIB)?,
                price(Dimension::LeasedIps, leased_ip_hour, SECONDS_PER_HOUR)?,
                price(Dimension::Devices, device_hour, MILLI * SECONDS_PER_HOUR)?,
            ],
            gpu_models: gpu_model_hour
                .iter()
                .map(|(model, tokens)| {
                    let price = parse_price(Dimension::Gpu, *tokens, decimals, MILLI * SECONDS_PER_HOUR)?;
                    Ok((model.clone(), price))
                })
                .collect::<Result<_, Error>>()?,
            adjustment: Adjustment::new(adjust)?,
        })
    }

    /// Whether a resource may be ordered as these requirements do. The flat price may be absent: leases are sold without it.
    pub fn sells(&self, dimension: Dimension, requirements: &Requirements) -> bool {
        match dimension {
            Dimension::Uptime => true,
            Dimension::Gpu => gpus(requirements).all(|service| self.gpu(&service.gpu_model).is_some()),
            _ => self.prices[dimension.index()].is_some(),
        }
    }

    /// The prices of a bid on these requirements; what is not sold costs nothing, because its limit is zero.
    pub fn quote(&self, requirements: &Requirements, utilisation: Share) -> Prices {
        let Requirements { tier, duration, .. } = *requirements;
        let circumstances = Circumstances { tier, duration, utilisation };
        let mut prices = self.prices.map(Option::unwrap_or_default);
        prices[Dimension::Gpu.index()] = self.gpus(requirements);
        Prices(prices.map(|price| self.adjustment.apply(price, &circumstances)))
    }

    /// What a GPU of a model costs; of any model if it is empty.
    fn gpu(&self, model: &str) -> Option<Price> {
        self.gpu_models.get(model).copied().or(self.prices[Dimension::Gpu.index()])
    }

    /// A bid has one price for all GPUs: the mean of those that are asked for, by number, rounded down, in the tenant's favour.
    fn gpus(&self, requirements: &Requirements) -> Price {
        let (mut sum, mut count) = (U256::ZERO, U256::ZERO);
        for service in gpus(requirements) {
            let number = U256::from(service.gpu_milli) * U256::from(service.replicas);
            sum += number * U256::from(self.gpu(&service.gpu_model).unwrap_or_default().0);
            count += number;
        }
        let mean = sum.checked_div(count).and_then(|mean| u128::try_from(mean).ok());
        mean.map_or_else(|| self.gpu("").unwrap_or_default(), Price)
    }
}

/// The services that ask for GPUs.
fn gpus(requirements: &Requirements) -> impl Iterator<Item = &ServiceRequirements> {
    requirements.services.iter().filter(|service| service.gpu_milli > 0 && service.replicas > 0)
}

/// `tokens` in base units; only exact conversions.
pub fn parse_amount(key: &'static str, tokens: Decimal, decimals: u8) -> Result<Amount, Error> {
    let scaled = U256::from(tokens.mantissa) * power_of_ten(u32::from(decimals));
    let (quotient, remainder) = scaled.div_rem(power_of_ten(tokens.scale));
    if !remainder.is_zero() {
        return Err(Error::Amount(key));
    }
    u128::try_from(quotient).map(Amount).map_err(|_| Error::Amount(key))
}

/// An amount in millionths of a token, rounded down: what a metric can hold whatever the token's decimals.
pub fn millionths(amount: Amount, decimals: u8) -> i64 {
    let scaled = U256::from(amount.0) * U256::from(1_000_000) / power_of_ten(u32::from(decimals));
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

fn parse_price(dimension: Dimension, tokens: Decimal, decimals: u8, units: u64) -> Result<Price, Error> {
    // The mantissa has at most 100 bits and the power at most 10^(18 + 18) in practice; saturation would be caught as too large.
    let scaled = U256::from(tokens.mantissa).saturating_mul(power_of_ten(u32::from(decimals) + 18));
    let divisor = power_of_ten(tokens.scale) * U256::from(units);
    let price = u128::try_from(scaled / divisor).map_err(|_| Error::PriceTooLarge(dimension))?;
    if price == 0 && tokens.mantissa != 0 {
        return Err(Error::RoundsToZero(dimension));
    }
    Ok(Price(price))
}

/// Saturates where a token would have absurd decimals, which [`Error::PriceTooLarge`] then reports.
fn power_of_ten(exponent: u32) -> U256 {
    U256::from(10).saturating_pow(U256::from(exponent))
}

#[cfg(test)]
mod tests {
    use market::Tier;

    use super::*;
    use crate::config::Adjust;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn pricing() -> Pricing {
        Pricing {
            lease_hour: Some(decimal("0.002")),
            cpu_core_hour: Some(decimal("0.01")),
            memory_gib_hour: Some(decimal("0.005")),
            storage_gib_month: None,
            gpu_hour: Some(decimal("0")),
            gpu_model_hour: BTreeMap::new(),
            egress_gib: Some(decimal("0.01")),
            leased_ip_hour: None,
            device_hour: None,
            adjust: Adjust::default(),
        }
    }

    fn requirements(gpus: &[(&str, u64, u32)]) -> Requirements {
        let service = |(model, gpu_milli, replicas): &(&str, u64, u32)| ServiceRequirements {
            replicas: *replicas,
            cpu_milli: 1000,
            memory_bytes: GIB,
            gpu_milli: *gpu_milli,
            gpu_model: (*model).to_owned(),
            volume_bytes: vec![],
        };
        Requirements {
            tier: Tier::Strict,
            duration: 3600,
            egress_bytes_per_second: 0,
            leased_ips: 0,
            services: gpus.iter().map(service).collect(),
            attributes: vec![],
        }
    }

    fn quote(list: &PriceList) -> Prices {
        list.quote(&requirements(&[("", 0, 1)]), Share::WHOLE)
    }

    #[test]
    fn prices_equal_the_worked_figures_of_the_protocol() {
        let list = PriceList::new(&pricing(), 6).unwrap();
        let expected = [
            2000 * 10_u128.pow(18) / 3600,
            10_u128.pow(4) * 10_u128.pow(18) / 3_600_000,
            5000 * 10_u128.pow(18) / (3600 * (1 << 30)),
            0,
            0,
            10_u128.pow(22) / (1 << 30),
            0,
            0,
        ];
        assert_eq!(quote(&list), Prices(expected.map(Price)));
    }

    #[test]
    fn only_priced_resources_are_sold_and_zero_is_a_price() {
        let list = PriceList::new(&pricing(), 6).unwrap();
        let sold: Vec<_> = Dimension::ALL
            .into_iter()
            .filter(|dimension| list.sells(*dimension, &requirements(&[])))
            .collect();
        assert_eq!(
            sold,
            vec![Dimension::Uptime, Dimension::Cpu, Dimension::Memory, Dimension::Gpu, Dimension::Egress]
        );
    }

    #[test]
    fn gpus_cost_what_their_models_do_and_a_mixture_their_mean() {
        let models = [("a", "3.6"), ("b", "7.2")].map(|(model, price)| (model.to_owned(), decimal(price)));
        let priced = Pricing { gpu_hour: None, gpu_model_hour: models.into(), ..pricing() };
        let list = PriceList::new(&priced, 6).unwrap();
        let price = |gpus: &[(&str, u64, u32)]| {
            list.quote(&requirements(gpus), Share::WHOLE).0[Dimension::Gpu.index()].0 / 10_u128.pow(18)
        };
        assert_eq!([price(&[("a", 1000, 1)]), price(&[("b", 2000, 3)])], [1, 2]);
        // Three of the one and one of the other: 1.25, of which the last price knows 18 decimals.
        let mixed = list.quote(&requirements(&[("a", 1000, 3), ("b", 1000, 1)]), Share::WHOLE);
        assert_eq!(mixed.0[Dimension::Gpu.index()], Price(125 * 10_u128.pow(16)));
        let sells =
            |model: &str| list.sells(Dimension::Gpu, &requirements(&[("a", 1000, 1), (model, 1000, 1)]));
        assert_eq!((sells("b"), sells("c"), sells("")), (true, false, false));
        let any = PriceList::new(&Pricing { gpu_hour: Some(decimal("1")), ..priced }, 6).unwrap();
        assert!(any.sells(Dimension::Gpu, &requirements(&[("c", 1000, 1), ("", 1000, 1)])));
    }

    #[test]
    fn a_price_that_would_vanish_or_overflow_is_refused() {
        let tiny = Pricing { memory_gib_hour: Some(decimal("0.000000000000000001")), ..pricing() };
        assert_eq!(PriceList::new(&tiny, 0), Err(Error::RoundsToZero(Dimension::Memory)));
        let huge = Pricing { lease_hour: Some(decimal("999999999999999999999999999999")), ..pricing() };
        assert_eq!(PriceList::new(&huge, 18), Err(Error::PriceTooLarge(Dimension::Uptime)));
        assert_eq!(PriceList::new(&huge, 255), Err(Error::PriceTooLarge(Dimension::Uptime)));
    }

    #[test]
    fn what_a_metric_holds_does_not_depend_on_the_decimals_of_the_token() {
        assert_eq!(millionths(Amount(1_500_000), 6), 1_500_000);
        assert_eq!(millionths(Amount(1_500_000_999_999_999_999), 18), 1_500_000);
        assert_eq!(millionths(Amount(3), 0), 3_000_000);
        assert_eq!(millionths(Amount(u128::MAX), 6), i64::MAX);
        assert_eq!(millionths(Amount(u128::MAX), 255), 0);
    }

    #[test]
    fn amounts_convert_exactly_or_not_at_all() {
        assert_eq!(parse_amount("x", decimal("1.25"), 6), Ok(Amount(1_250_000)));
        assert_eq!(parse_amount("x", decimal("0.10"), 1), Ok(Amount(1)));
        assert_eq!(parse_amount("x", decimal("0.01"), 1), Err(Error::Amount("x")));
    }
}
