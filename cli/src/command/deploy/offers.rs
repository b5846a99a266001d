//! Collecting bids from the chain and choosing one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use chain::rpc::At;
use chain::{ChainClient, ProviderStatus};
use market::{LeaseId, SignedBid};
use serde::Serialize;

use super::{Terms, Trail};
use crate::exit::{Kind, Stop};
use crate::money::Money;
use crate::offer::{Acceptable, Bidder, Offer, Refusal, Wanted, cheapest, judge};
use crate::poll;
use crate::progress::Progress;

/// How often the chain is asked for bids.
const INTERVAL: Duration = Duration::from_millis(500);

/// What is looked for, and where.
pub(super) struct Search<'a> {
    pub(super) chain: &'a ChainClient,
    pub(super) money: &'a Money,
    pub(super) wanted: Wanted,
    pub(super) terms: &'a Terms,
}

/// A bid that was not acceptable.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefusedBid {
    lease_id: B256,
    provider: Address,
    reason: Refusal,
}

/// Collects bids for the window, judges each, and takes the cheapest acceptable one.
pub(super) async fn choose(search: &Search<'_>, trail: &mut Trail) -> anyhow::Result<Acceptable> {
    let window = Duration::from_secs(search.terms.bid_window);
    trail.progress.waiting(format!("waiting {} s for bids", window.as_secs()));
    let mut judged = BTreeSet::new();
    let mut acceptable = BTreeMap::new();
    let (progress, refused) = (&trail.progress, &mut trail.refused);
    poll::until(window, INTERVAL, async || {
        let bids = poll::tolerate(search.chain.bids_for(search.wanted.order_hash).await)?;
        for (lease_id, signed) in bids.unwrap_or_default() {
            if !judged.insert(lease_id) {
                continue;
            }
            match consider(search, lease_id, signed).await? {
                Ok(offer) => {
                    announce(search, progress, &offer);
                    acceptable.insert(lease_id, offer);
                }
                Err(reason) => {
                    let provider = signed.bid.provider;
                    progress.note(&format!("refused the bid of {provider}: {reason}"));
                    refused.push(RefusedBid { lease_id: lease_id.0, provider, reason });
                }
            }
        }
        Ok((search.terms.first_bid && !acceptable.is_empty()).then_some(()))
    })
    .await?;

    let bids = judged.len();
    let chosen = cheapest(acceptable.into_values()).ok_or_else(|| no_bid(search, bids))?;
    let policy = if search.terms.first_bid {
        "the first acceptable bid"
    } else {
        "the cheapest by highest total rate"
    };
    let rate = search.money.show_rate(chosen.rate_e6);
    trail
        .progress
        .done("bidChosen", &format!("chose {policy} of {bids}: {} at {rate}", chosen.signed.bid.provider));
    Ok(chosen)
}

fn announce(search: &Search<'_>, progress: &Progress, offer: &Acceptable) {
    let rate = search.money.show_rate(offer.rate_e6);
    progress.note(&format!("bid of {} at {rate}", offer.signed.bid.provider));
}

fn no_bid(search: &Search<'_>, bids: usize) -> Stop {
    let text = match bids {
        0 => format!("nobody bid within {} s", search.terms.bid_window),
        bids => format!("none of {bids} bids is acceptable"),
    };
    Stop::new(Kind::NoBid, text).advise(format!(
        "your money is untouched; wait longer with --bid-window, pay more than {} with --max-rate, or ask for less",
        search.money.show_rate(search.wanted.max_rate_e6)
    ))
}

/// Finds out the facts about a bid, then judges it.
async fn consider(
    search: &Search<'_>,
    claimed_id: LeaseId,
    signed: SignedBid,
) -> anyhow::Result<Result<Acceptable, Refusal>> {
    let chain = search.chain;
    let domain = chain.eip712();
    let block = chain.block(At::Latest).await?;
    let found = chain.provider_of(signed.bid.provider, At::Block(block.hash)).await?;
    let bidder = match found.status {
        ProviderStatus::None => None,
        ProviderStatus::Active | ProviderStatus::Inactive => Some(Bidder {
            is_active: found.status == ProviderStatus::Active,
            operator: found.operator,
            operator_expiry: found.operator_expiry,
            bid_epoch: found.bid_epoch,
            free_bond: found.free_bond(),
        }),
    };
    let offer = Offer {
        claimed_id,
        computed_id: domain.bid_digest(&signed.bid).ok(),
        signer: domain.bid_signer(&signed),
        signed,
        bidder,
    };
    Ok(judge(&Wanted { now: block.timestamp, ..search.wanted.clone() }, &offer))
}
