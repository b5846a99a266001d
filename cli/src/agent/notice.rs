//! What the agent has to say about a lease: one JSON object or one line of text each, and the same to a webhook.

use alloy_primitives::B256;
use gateway_api::RefusalReason;
use market::{Amount, LeaseId, Timestamp};
use serde::{Serialize, Serializer};

use crate::claim::Write;
use crate::command::provider::when;
use crate::money::Money;
use crate::own_view::ServiceSeconds;

/// Something that happened to a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(crate) enum Notice {
    /// The lease is watched from now on. What was seen of its services before is told with it.
    Watching { name: String, observed: Vec<ServiceSeconds> },
    /// A statement was checked, signed and sent.
    Signed {
        #[serde(serialize_with = "base_units")]
        amount_cum: Amount,
        #[serde(serialize_with = "seconds")]
        as_of: Timestamp,
        last: bool,
    },
    /// A statement was not signed.
    Refused {
        reason: RefusalReason,
        #[serde(serialize_with = "base_units")]
        proposed_cum: Amount,
        #[serde(serialize_with = "base_units")]
        largest_accepted_cum: Amount,
        #[serde(serialize_with = "seconds")]
        as_of: Timestamp,
    },
    /// The provider claims on chain what this side would accept.
    ClaimFiled {
        #[serde(serialize_with = "base_units")]
        claimed_cum: Amount,
        #[serde(serialize_with = "seconds")]
        contestable_until: Timestamp,
    },
    /// The provider claims on chain more than this side accepts: it is paid unless it is disputed in time.
    ClaimTooHigh {
        #[serde(serialize_with = "base_units")]
        claimed_cum: Amount,
        #[serde(serialize_with = "base_units")]
        owed_cum: Amount,
        #[serde(serialize_with = "seconds")]
        contestable_until: Timestamp,
        command: String,
    },
    /// Something can be done now that needs the tenant's key.
    CanClose { command: String },
    /// A transaction was mined.
    Wrote { function: &'static str, transaction: B256 },
    /// A transaction was not made; it is tried again.
    WriteFailed { function: &'static str, error: String },
    /// At its highest rate the lease's money lasts no longer than this.
    MoneyRunsOut {
        #[serde(serialize_with = "seconds")]
        funded_until: Timestamp,
    },
    /// The provider's gateway has not answered since this moment.
    ProviderUnreachable {
        #[serde(serialize_with = "seconds")]
        since: Timestamp,
        error: String,
    },
    /// It answers again.
    ProviderBack,
    /// The provider has stopped the lease's workloads.
    Suspended { reason: String },
    /// They run again.
    Resumed,
    /// A watched service does not answer although its provider does.
    ServiceDown { service: String },
    /// It answers again.
    ServiceUp { service: String },
    /// The lease is closed.
    Closed {
        #[serde(serialize_with = "base_units")]
        paid: Amount,
    },
}

fn base_units<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

fn seconds<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(moment.0)
}

/// A notice with its lease and time, as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line<'a> {
    pub(crate) time: u64,
    pub(crate) lease_id: B256,
    #[serde(flatten)]
    pub(crate) notice: &'a Notice,
}

impl Notice {
    /// Whether somebody should look: these go to the webhook.
    pub(crate) fn is_warning(&self) -> bool {
        match self {
            Notice::Refused { .. }
            | Notice::ClaimFiled { .. }
            | Notice::ClaimTooHigh { .. }
            | Notice::CanClose { .. }
            | Notice::Wrote { .. }
            | Notice::WriteFailed { .. }
            | Notice::MoneyRunsOut { .. }
            | Notice::ProviderUnreachable { .. }
            | Notice::Suspended { .. }
            | Notice::ServiceDown { .. } => true,
            Notice::Watching { .. }
            | Notice::Signed { .. }
            | Notice::ProviderBack
            | Notice::Resumed
            | Notice::ServiceUp { .. }
            | Notice::Closed { .. } => false,
        }
    }

    /// The notice for people.
    pub(crate) fn text(&self, lease: LeaseId, money: &Money) -> String {
        let show = |amount: &Amount| money.show(*amount);
        let said = match self {
            Notice::Watching { name, observed } => {
                let seen = observed.iter().map(|it| {
                    format!("; {}: up {} s, down {} s, unknown {} s", it.service, it.up, it.down, it.unknown)
                });
                format!("watching {name}{}", seen.collect::<String>())
            }
            Notice::Signed { amount_cum, as_of, last } => {
                let last = if *last { ", the last" } else { "" };
                format!("signed {} up to {}{last}", show(amount_cum), when(as_of.0))
            }
            Notice::Refused { reason, proposed_cum, largest_accepted_cum, .. } => format!(
                "refused to sign {}: {reason}; the most that would be signed is {}",
                show(proposed_cum),
                show(largest_accepted_cum)
            ),
            Notice::ClaimFiled { claimed_cum, contestable_until } => format!(
                "the provider claims {} on chain, no more than is owed; it can be disputed until {}",
                show(claimed_cum),
                when(contestable_until.0)
            ),
            Notice::ClaimTooHigh { claimed_cum, owed_cum, contestable_until, command } => format!(
                "THE PROVIDER CLAIMS {} ON CHAIN, but only {} are owed. Unless it is disputed before {} it is paid: \
                 {command}",
                show(claimed_cum),
                show(owed_cum),
                when(contestable_until.0)
            ),
            Notice::CanClose { command } => format!("it can be closed now: {command}"),
            Notice::Wrote { function, transaction } => format!("{function}: {transaction}"),
            Notice::WriteFailed { function, error } => format!("{function} failed, will try again: {error}"),
            Notice::MoneyRunsOut { funded_until } => {
                format!("its money lasts until {} at its highest rate", when(funded_until.0))
            }
            Notice::ProviderUnreachable { since, error } => {
                format!("the provider has not answered since {}: {error}", when(since.0))
            }
            Notice::ProviderBack => "the provider answers again".to_owned(),
            Notice::Suspended { reason } => format!("the provider has suspended it: {reason}"),
            Notice::Resumed => "it runs again".to_owned(),
            Notice::ServiceDown { service } => format!("service {service} does not answer"),
            Notice::ServiceUp { service } => format!("service {service} answers again"),
            Notice::Closed { paid } => format!("closed; {} were paid", show(paid)),
        };
        format!("{lease}  {said}")
    }
}

/// The command that disputes a claim, with what is owed conceded.
pub(crate) fn dispute_command(lease: LeaseId, owed: Amount, money: &Money) -> String {
    format!("leasehold dispute {lease} --concede {}", owed.to_decimal(money.decimals))
}

/// The command that closes a lease by hand.
pub(crate) fn close_command(lease: LeaseId) -> String {
    format!("leasehold close {lease}")
}

/// A transaction that was mined.
pub(crate) fn wrote(write: Write, transaction: B256) -> Notice {
    Notice::Wrote { function: write.name(), transaction }
}
