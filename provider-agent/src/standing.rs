//! Watches the provider's standing: registered, active, this key authorised, gas to spend. Only for people and probes; bids check it again.

use std::time::Duration;

use chain::rpc::At;
use chain::{ChainClient, ClientError, Provider, ProviderStatus};
use market::{Address, Timestamp, U256};
use telemetry::{CancellationToken, Check};

use crate::clock;
use crate::metrics::Metrics;

const INTERVAL: Duration = Duration::from_secs(10);

/// What is watched.
pub struct StandingWatch {
    pub chain: ChainClient,
    pub provider: Address,
    pub operator: Address,
    pub low_gas_balance: U256,
    pub metrics: Metrics,
    pub check: Check,
}

impl StandingWatch {
    /// Looks again and again until shutdown. A provider may register after its agent was installed, so nothing here is fatal.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match self.look().await {
                Ok(None) => self.check.pass(),
                Ok(Some(complaint)) => self.check.fail(&complaint),
                Err(error) => self.check.fail(&format!("the registry cannot be read: {error}")),
            }
        }
    }

    async fn look(&self) -> Result<Option<String>, ClientError> {
        let gas = self.chain.native_balance(self.operator).await?;
        let is_low = gas < self.low_gas_balance;
        self.metrics.gas_balance_low.set(i64::from(is_low));
        if is_low {
            tracing::warn!(operator = %self.operator, balance_wei = %gas, "the operator key is short of gas money; fund it");
        }
        let provider = self.chain.provider_of(self.provider, At::Latest).await?;
        Ok(complaint(&provider, self.provider, self.operator, clock::now()))
    }
}

/// What stands against taking leases, in words that say what to do.
fn complaint(record: &Provider, provider: Address, operator: Address, now: Timestamp) -> Option<String> {
    match record.status {
        ProviderStatus::None => Some(format!(
            "provider {provider} is not registered yet: run `leasehold provider register` with operator {operator}"
        )),
        ProviderStatus::Inactive => Some(format!(
            "provider {provider} is inactive: its bond is below the registry's minimum, add to it"
        )),
        ProviderStatus::Active if record.operator != operator => Some(format!(
            "the registry names operator {}, this agent's key is {operator}: set the operator or mount the right key",
            record.operator
        )),
        ProviderStatus::Active if record.operator_expiry <= now => Some(format!(
            "the operator key expired at {}: renew it with the owner key",
            record.operator_expiry
        )),
        ProviderStatus::Active => None,
    }
}

#[cfg(test)]
mod tests {
    use market::Amount;

    use super::*;

    const PROVIDER: Address = Address::repeat_byte(1);
    const OPERATOR: Address = Address::repeat_byte(2);

    fn record() -> Provider {
        Provider {
            operator: OPERATOR,
            operator_expiry: Timestamp(1000),
            bid_epoch: 3,
            status: ProviderStatus::Active,
            bond: Amount(4),
            locked: Amount(5),
            unbonding: Amount(6),
            unbond_at: Timestamp(7),
        }
    }

    fn check(record: &Provider, now: u64, expected: Option<&str>) {
        let complaint = complaint(record, PROVIDER, OPERATOR, Timestamp(now));
        assert_eq!(complaint.is_some(), expected.is_some(), "{complaint:?}");
        let says =
            |expected: &str| complaint.as_deref().is_some_and(|complaint| complaint.contains(expected));
        assert!(expected.is_none_or(says), "{complaint:?}");
    }

    #[test]
    fn every_complaint_says_what_to_do() {
        check(&record(), 999, None);
        check(&Provider { status: ProviderStatus::None, ..record() }, 0, Some("leasehold provider register"));
        check(&Provider { status: ProviderStatus::Inactive, ..record() }, 0, Some("add to it"));
        check(&Provider { operator: PROVIDER, ..record() }, 0, Some("mount the right key"));
        check(&record(), 1000, Some("renew it"));
    }
}
