//! Generated bids, orders and statements, with every bit of every field in play.

use alloy::primitives::Address;
use alloy::sol_types::{Eip712Domain, SolStruct};
use anyhow::{Context, Result, ensure};
use chain::Eip712;
use chain::abi::ILeaseMarket as abi;
use chain::convert::{bid_from_abi, order_from_abi};
use testkit::anvil::CHAIN_ID;

use super::case::{Source, list};
use super::javascript::JavaScript;
use super::solidity::{Digested, Solidity};

/// Compares `count` of each kind; answers how many digests each side made.
pub(super) async fn compare(solidity: &Solidity, count: usize) -> Result<usize> {
    let market = solidity.market;
    let mut javascript = JavaScript::start(&[])?;
    let mut source = Source::new(0x0d16_e575);
    let ours = Eip712::new(CHAIN_ID, market);
    for _ in 0..count {
        let bid = bid(&mut source);
        let digest = same(solidity, &mut javascript, "Bid", &bid, bid_json(&bid)).await?;
        // Bids that nobody could accept have no place in Rust's own types.
        if let Ok(bid) = bid_from_abi(&bid) {
            ensure!(ours.bid_digest(&bid)?.0 == digest, "{bid:?}");
        }
        let order = order(&mut source);
        let digest = same(solidity, &mut javascript, "Order", &order, order_json(&order)).await?;
        ensure!(ours.order_digest(&order_from_abi(&order))?.0 == digest, "{order:?}");
        let statement = statement(&mut source);
        same(solidity, &mut javascript, "Statement", &statement, statement_json(&statement)).await?;
    }
    Ok(3 * count)
}

/// The digest that all three give.
async fn same<T: SolStruct + Digested + std::fmt::Debug>(
    solidity: &Solidity,
    javascript: &mut JavaScript,
    kind: &str,
    value: &T,
    json: String,
) -> Result<alloy::primitives::B256> {
    let rust = value.eip712_signing_hash(&domain(solidity.market));
    let domain = format!(r#"{{"chainId":{CHAIN_ID},"verifyingContract":"{}"}}"#, solidity.market);
    let line = format!(r#"{{"kind":"{kind}","domain":{domain},"value":{json}}}"#);
    let theirs = javascript.answers(&[line]).await?;
    let contract = solidity.digest(value.call()).await.with_context(|| format!("{value:?}"))?;
    ensure!(
        rust == contract && theirs == [rust.to_string()],
        "{rust} by alloy, {contract} in Solidity, {theirs:?} by ethers: {value:?}"
    );
    Ok(rust)
}

fn domain(market: Address) -> Eip712Domain {
    alloy::sol_types::eip712_domain! {
        name: "LeaseMarket",
        version: "1",
        chain_id: CHAIN_ID,
        verifying_contract: market,
    }
}

fn bid(source: &mut Source) -> abi::Bid {
    abi::Bid {
        provider: source.account(),
        tenant: source.account(),
        token: source.account(),
        orderHash: source.hash(),
        bidEpoch: source.sized(32) as u32,
        salt: source.sized(64) as u64,
        validUntil: source.u40(),
        startWindow: source.sized(32) as u32,
        maxDuration: source.sized(32) as u32,
        noticePeriod: source.sized(32) as u32,
        maxSlash: source.u96(),
        noShowPenalty: source.u96(),
        minDeposit: source.sized(128),
        splitBps: source.sized(16) as u16,
        arbiter: source.account(),
        price: std::array::from_fn(|_| source.sized(128)),
        limit: std::array::from_fn(|_| source.sized(64) as u64),
    }
}

fn bid_json(bid: &abi::Bid) -> String {
    let abi::Bid { provider, tenant, token, orderHash, bidEpoch, salt, validUntil, startWindow, .. } = bid;
    let abi::Bid { maxDuration, noticePeriod, maxSlash, noShowPenalty, minDeposit, splitBps, .. } = bid;
    let (arbiter, price, limit) = (bid.arbiter, list(&bid.price), list(&bid.limit));
    format!(
        r#"{{"provider":"{provider}","tenant":"{tenant}","token":"{token}","orderHash":"{orderHash}","bidEpoch":"{bidEpoch}","salt":"{salt}","validUntil":"{validUntil}","startWindow":"{startWindow}","maxDuration":"{maxDuration}","noticePeriod":"{noticePeriod}","maxSlash":"{maxSlash}","noShowPenalty":"{noShowPenalty}","minDeposit":"{minDeposit}","splitBps":"{splitBps}","arbiter":"{arbiter}","price":{price},"limit":{limit}}}"#
    )
}

fn order(source: &mut Source) -> abi::Order {
    abi::Order {
        tenant: source.account(),
        token: source.account(),
        requirementsHash: source.hash(),
        manifestHash: source.hash(),
        maxRateE6: source.u96(),
        deposit: source.sized(128),
        deadline: source.u40(),
        nonce: source.sized(64) as u64,
    }
}

fn order_json(order: &abi::Order) -> String {
    let abi::Order { tenant, token, requirementsHash, manifestHash, maxRateE6, deposit, deadline, nonce } =
        order;
    format!(
        r#"{{"tenant":"{tenant}","token":"{token}","requirementsHash":"{requirementsHash}","manifestHash":"{manifestHash}","maxRateE6":"{maxRateE6}","deposit":"{deposit}","deadline":"{deadline}","nonce":"{nonce}"}}"#
    )
}

fn statement(source: &mut Source) -> abi::Statement {
    abi::Statement {
        leaseId: source.hash(),
        amountCum: source.sized(128),
        asOf: source.u40(),
        usageHash: source.hash(),
        last: source.below(2) == 1,
    }
}

fn statement_json(statement: &abi::Statement) -> String {
    let abi::Statement { leaseId, amountCum, asOf, usageHash, last } = statement;
    format!(
        r#"{{"leaseId":"{leaseId}","amountCum":"{amountCum}","asOf":"{asOf}","usageHash":"{usageHash}","last":{last}}}"#
    )
}
