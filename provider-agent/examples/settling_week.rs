//! What settling a lease costs in a week, by the agent's own rules: `cargo run --package provider-agent --example settling_week`.
//!
//! Twenty leases of one price are signed for every hour, for four weeks. Gas is that of the contracts' targets, which
//! tests hold the contracts to; a unit of it costs 0.05 gwei, and a coin of the chain 1 917 dollars (AEP-79's "typical").
//! The token is a dollar of six decimals. Opening is the tenant's, so it is not counted here.

use anyhow::{Context as _, Result};
use market::{Amount, B256, LeaseId};
use provider_agent::config::{Decimal, Settlement};
use provider_agent::settling::{Held, SettlingRules};
use serde_json::json;

const LEASES: u8 = 20;
const WEEKS: u64 = 4;
const HOUR: u64 = 3600;
const WEEK: u64 = 7 * 24 * HOUR;
const GAS_PRICE_WEI: u128 = 50_000_000;
const DOLLARS_A_COIN: u32 = 1_917;
/// Base units of the token in a dollar.
const DOLLAR: u128 = 1_000_000;

fn main() -> Result<()> {
    let targets: serde_json::Value = serde_json::from_str(include_str!("../../contracts/gas-targets.json"))?;
    let gas = |call: &str| targets[call].as_u64().with_context(|| format!("{call} has no target"));
    let (item, first) = (gas("settle20")?, gas("settleWithFee")?);
    let once = gas("confirm20")? + gas("finalize")?;
    let coin_price: Decimal = DOLLARS_A_COIN.to_string().parse()?;
    let settlement = Settlement { coin_price: Some(coin_price), ..Settlement::default() };
    let rules = SettlingRules::new(&settlement, 6)?;
    for dollars_a_month in [5_u128, 50, 500] {
        let hourly = dollars_a_month * DOLLAR / (30 * 24);
        let Played { batches, items } = play(&rules, hourly);
        let all = batches * (first - item) + items * item + u64::from(LEASES) * once;
        let per_week = all / (u64::from(LEASES) * WEEKS);
        let line = json!({
            "dollars_a_month": u64::try_from(dollars_a_month)?,
            "settlements_per_lease_week": round(items as f64 / f64::from(LEASES) / WEEKS as f64),
            "gas_per_lease_week": per_week,
            "dollars_per_lease_week": round(per_week as f64 * GAS_PRICE_WEI as f64 * f64::from(DOLLARS_A_COIN) / 1e18),
        });
        println!("{line}");
    }
    Ok(())
}

/// Transactions, and the settlements in them.
struct Played {
    batches: u64,
    items: u64,
}

fn play(rules: &SettlingRules, hourly: u128) -> Played {
    let mut settled_at = [0_u64; LEASES as usize];
    let mut played = Played { batches: 0, items: 0 };
    for now in (HOUR..=WEEKS * WEEK).step_by(usize::try_from(HOUR).unwrap_or(usize::MAX)) {
        let held: Vec<Held> = settled_at
            .iter()
            .zip(1..)
            .map(|(since, number)| Held {
                lease: LeaseId(B256::repeat_byte(number)),
                unpaid: Amount(hourly * u128::from((now - since) / HOUR)),
                waited: now - since,
            })
            .collect();
        let chosen = rules.choose(&held, GAS_PRICE_WEI);
        played.batches += u64::from(!chosen.is_empty());
        played.items += chosen.len() as u64;
        for (since, held) in settled_at.iter_mut().zip(&held) {
            if chosen.contains(&held.lease) {
                *since = now;
            }
        }
    }
    played
}

/// Four digits are enough for people.
fn round(figure: f64) -> f64 {
    (figure * 10_000.0).round() / 10_000.0
}
