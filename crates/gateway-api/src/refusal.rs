//! `PUT /v1/leases/{id}/statement/refusal`.

use std::fmt;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::Decimal;

/// A proposal that the tenant's side does not sign, and the most that it would.
///
/// It is a message, not a document: nobody signs it but as a request, and the provider need not believe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatementRefusal {
    /// Why.
    pub reason: RefusalReason,
    /// Cumulative amount of the proposal that is refused.
    pub proposed_cum: Decimal,
    /// Its moment, unix seconds.
    pub as_of: u64,
    /// Its commitment to usage, moment and root.
    pub usage_hash: B256,
    /// The largest cumulative amount that would be signed for this usage and moment.
    pub largest_accepted_cum: Decimal,
}

macro_rules! refusal_reasons {
    ($($name:ident = $label:literal, $text:literal;)*) => {
        /// Why a proposal is not signed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum RefusalReason {
            $(#[doc = concat!("Refused because ", $text, ".")] #[serde(rename = $label)] $name,)*
        }

        impl RefusalReason {
            /// All reasons.
            pub const ALL: &'static [RefusalReason] = &[$(RefusalReason::$name),*];

            /// The reason as it is sent, and as metrics count it.
            pub fn label(self) -> &'static str {
                match self {
                    $(RefusalReason::$name => $label,)*
                }
            }

            fn text(self) -> &'static str {
                match self {
                    $(RefusalReason::$name => $text,)*
                }
            }
        }
    };
}

refusal_reasons! {
    NotActive = "not_active", "the lease is not running on chain";
    UsageHashMismatch = "usage_hash_mismatch", "the usage hash is not the hash of the usage";
    TooLate = "too_late", "it counts time that has not passed or lies after the lease's end";
    TooEarly = "too_early", "it counts to before what was settled or signed already";
    LastTooEarly = "last_too_early", "it claims to be the last before the lease has ended";
    UsageDecreased = "usage_decreased", "its usage is lower than what was signed before";
    AmountDecreased = "amount_decreased", "its amount is lower than what was paid or signed before";
    AmountAboveUsage = "amount_above_usage", "its amount is more than its usage costs at the bid's prices";
    AmountAboveCap = "amount_above_cap",
        "its amount is more than the bid's highest rate allows for the time since the last settlement";
    AmountGrewTooFast = "amount_grew_too_fast",
        "its amount is more than the bid's highest rate allows for the time since what was signed before";
    AmountAboveObserved = "amount_above_observed",
        "its amount is more than what the tenant's own probes saw costs";
    SeriesDecreased = "series_decreased", "the provider's series of usage goes back";
    SeriesAboveLimits = "series_above_limits",
        "the provider's series of usage is beyond what the lease can have used";
    UsageAboveSeries = "usage_above_series", "its usage is more than the provider's series of usage says";
    OverBudget = "over_budget", "its amount is more than the tenant's budget";
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_sent_as_its_label_and_no_other_is_read() {
        for reason in RefusalReason::ALL {
            let json = format!("\"{}\"", reason.label());
            assert_eq!(serde_json::to_string(reason).unwrap(), json);
            assert_eq!(serde_json::from_str::<RefusalReason>(&json).unwrap(), *reason);
        }
        assert!(serde_json::from_str::<RefusalReason>("\"because\"").is_err());
    }

    #[test]
    fn a_refusal_is_read_as_it_was_sent_and_nothing_may_be_added() {
        let refusal = StatementRefusal {
            reason: RefusalReason::AmountAboveUsage,
            proposed_cum: Decimal(u128::MAX),
            as_of: 99,
            usage_hash: B256::repeat_byte(2),
            largest_accepted_cum: Decimal(3),
        };
        let mut json = serde_json::to_value(refusal).unwrap();
        let hash = format!("0x{}", "02".repeat(32));
        assert_eq!(
            json,
            serde_json::json!({
                "reason": "amount_above_usage",
                "proposedCum": u128::MAX.to_string(),
                "asOf": 99,
                "usageHash": hash,
                "largestAcceptedCum": "3",
            })
        );
        assert_eq!(serde_json::from_value::<StatementRefusal>(json.clone()).unwrap(), refusal);
        json["note"] = "x".into();
        assert!(serde_json::from_value::<StatementRefusal>(json).is_err());
    }
}
