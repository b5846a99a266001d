//! Digests and signatures agree with the contract and with the vectors that a third implementation wrote.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::{Eip712Domain, SolStruct};
use anyhow::{Context, Result};
use chain::abi::ILeaseMarket as abi;
use chain::convert::bid_from_abi;
use chain::{At, Eip712, HotKey, recover};
use market::{
    Amount, BasisPoints, LeaseId, Limits, Order, OrderHash, Price, Prices, Signature64, SignedBid, Statement,
    Timestamp, Usage, amount_exact, cap_cum, payout, rate_cap_e6,
};
use serde_json::Value;
use testkit::TestMarket;

fn vectors() -> Result<Value> {
    let path = testkit::contracts::folder().join("test/vectors/typed_data.json");
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

fn items<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    vectors[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn word(value: &Value) -> Result<B256> {
    text(value).parse().with_context(|| value.to_string())
}

fn account(value: &Value) -> Result<Address> {
    text(value).parse().with_context(|| value.to_string())
}

fn number<T: TryFrom<u128>>(value: &Value) -> Result<T> {
    let number: u128 = text(value).parse().with_context(|| value.to_string())?;
    T::try_from(number).ok().with_context(|| format!("{number} is too large"))
}

fn numbers<T: TryFrom<u128> + Copy + Default>(value: &Value) -> Result<[T; 8]> {
    let mut numbers = [T::default(); 8];
    for (place, value) in numbers.iter_mut().zip(value.as_array().context("no list")?) {
        *place = number(value)?;
    }
    Ok(numbers)
}

fn raw_bid(value: &Value) -> Result<abi::Bid> {
    Ok(abi::Bid {
        provider: account(&value["provider"])?,
        tenant: account(&value["tenant"])?,
        token: account(&value["token"])?,
        orderHash: word(&value["orderHash"])?,
        bidEpoch: number(&value["bidEpoch"])?,
        salt: number(&value["salt"])?,
        validUntil: text(&value["validUntil"]).parse()?,
        startWindow: number(&value["startWindow"])?,
        maxDuration: number(&value["maxDuration"])?,
        noticePeriod: number(&value["noticePeriod"])?,
        maxSlash: text(&value["maxSlash"]).parse()?,
        noShowPenalty: text(&value["noShowPenalty"]).parse()?,
        minDeposit: number(&value["minDeposit"])?,
        splitBps: number(&value["splitBps"])?,
        arbiter: account(&value["arbiter"])?,
        price: numbers(&value["price"])?,
        limit: numbers(&value["limit"])?,
    })
}

fn raw_domain(vectors: &Value) -> Result<Eip712Domain> {
    let domain = &vectors["domain"];
    let chain_id = U256::from(domain["chainId"].as_u64().context("no chain")?);
    let contract = account(&domain["verifyingContract"])?;
    let [name, version] = ["name", "version"].map(|field| text(&domain[field]).to_owned());
    Ok(Eip712Domain::new(Some(name.into()), Some(version.into()), Some(chain_id), Some(contract), None))
}

fn order(value: &Value) -> Result<Order> {
    Ok(Order {
        tenant: account(&value["tenant"])?,
        token: account(&value["token"])?,
        requirements_hash: word(&value["requirementsHash"])?,
        manifest_hash: word(&value["manifestHash"])?,
        max_rate_e6: number(&value["maxRateE6"])?,
        deposit: Amount(number(&value["deposit"])?),
        deadline: Timestamp(number(&value["deadline"])?),
        nonce: number(&value["nonce"])?,
    })
}

fn statement(value: &Value) -> Result<Statement> {
    Ok(Statement {
        lease_id: LeaseId(word(&value["leaseId"])?),
        amount_cum: Amount(number(&value["amountCum"])?),
        as_of: Timestamp(number(&value["asOf"])?),
        usage_hash: word(&value["usageHash"])?,
        last: value["last"].as_bool().context("no last")?,
    })
}

fn domain(vectors: &Value) -> Result<Eip712> {
    let domain = &vectors["domain"];
    Ok(Eip712::new(domain["chainId"].as_u64().context("no chain")?, account(&domain["verifyingContract"])?))
}

/// The key of a vector makes the vector's signature, and the signature names the key.
fn check_signature(value: &Value, digest: B256) -> Result<()> {
    let key = HotKey::from_hex(text(&value["privateKey"]))?;
    let signature = Signature64 { r: word(&value["r"])?, vs: word(&value["vs"])? };
    assert_eq!(key.address(), account(&value["signer"])?);
    assert_eq!(key.sign_digest(digest), signature);
    assert_eq!(recover(digest, &signature), Ok(key.address()));
    Ok(())
}

/// One vector sets every bit, also of the share, which no acceptable bid can: it is checked in the contract's types.
#[test]
fn bids_match_the_vectors() -> Result<()> {
    let vectors = vectors()?;
    let domain = domain(&vectors)?;
    let mut acceptable = 0;
    for item in items(&vectors, "bids") {
        let raw = raw_bid(&item["bid"]).with_context(|| item["name"].to_string())?;
        let digest = word(&item["digest"])?;
        assert_eq!(raw.eip712_hash_struct(), word(&item["structHash"])?, "{}", item["name"]);
        assert_eq!(raw.eip712_signing_hash(&raw_domain(&vectors)?), digest, "{}", item["name"]);
        check_signature(&item["signature"], digest)?;
        let Ok(bid) = bid_from_abi(&raw) else { continue };
        acceptable += 1;
        assert_eq!(domain.bid_digest(&bid), Ok(LeaseId(digest)), "{}", item["name"]);
        let rate = rate_cap_e6(&bid.prices, &bid.limits).ok().map(U256::from);
        assert_eq!(rate, Some(text(&item["rateCapE6"]).parse()?), "{}", item["name"]);
    }
    assert_eq!((items(&vectors, "bids").len(), acceptable), (5, 4));
    Ok(())
}

#[test]
fn orders_match_the_vectors() -> Result<()> {
    let vectors = vectors()?;
    let domain = domain(&vectors)?;
    for item in items(&vectors, "orders") {
        let digest = domain.order_digest(&order(&item["order"])?);
        assert_eq!(digest, Ok(OrderHash(word(&item["digest"])?)), "{}", item["name"]);
    }
    assert_eq!(items(&vectors, "orders").len(), 2);
    Ok(())
}

#[test]
fn statements_match_the_vectors() -> Result<()> {
    let vectors = vectors()?;
    let domain = domain(&vectors)?;
    for item in items(&vectors, "statements") {
        let statement = statement(&item["statement"])?;
        let digest = word(&item["digest"])?;
        assert_eq!(domain.statement_digest(&statement), Ok(digest), "{}", item["name"]);
        check_signature(&item["signature"], digest)?;
        let (usage, root) = (Usage(numbers(&item["usage"])?), word(&item["meterRoot"])?);
        assert_eq!(
            usage::usage_hash(&usage, statement.as_of, root),
            statement.usage_hash,
            "{}",
            item["name"]
        );
    }
    assert_eq!(items(&vectors, "statements").len(), 4);
    Ok(())
}

#[test]
fn amounts_caps_and_payouts_match_the_vectors() -> Result<()> {
    let vectors = vectors()?;
    for item in items(&vectors, "amounts") {
        let (prices, limits) =
            (Prices(numbers(&item["price"])?.map(Price)), Limits(numbers(&item["limit"])?));
        let usage = Usage(numbers(&item["usage"])?);
        let amount = amount_exact(&prices, &limits, &usage, number(&item["elapsed"])?);
        assert_eq!(amount, text(&item["amount"]).parse::<U256>()?, "{}", item["name"]);
    }
    for item in items(&vectors, "caps") {
        let (paid, rate) = (Amount(number(&item["paid"])?), number(&item["rateCapE6"])?);
        let cap = cap_cum(paid, rate, Timestamp(0), Timestamp(number(&item["elapsed"])?));
        assert_eq!(cap, Ok(Amount(number(&item["capCum"])?)), "{}", item["name"]);
    }
    for item in items(&vectors, "payouts") {
        let amount = |field: &str| Ok::<_, anyhow::Error>(Amount(number(&item[field])?));
        let fee = BasisPoints::new(number(&item["feeBps"])?)?;
        let paid = payout(amount("cum")?, amount("paid")?, amount("balance")?, fee);
        assert_eq!(
            (paid.amount, paid.fee, paid.net),
            (amount("amount")?, amount("fee")?, amount("net")?),
            "{}",
            item["name"]
        );
    }
    let counts = ["amounts", "caps", "payouts"].map(|name| items(&vectors, name).len());
    assert!(counts.iter().all(|count| *count >= 5), "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn digests_are_the_contracts_own() -> Result<()> {
    let market = TestMarket::start().await?;
    let domain = market.client.eip712();
    let (order, _) = market.order(7).await?;
    let order_hash = domain.order_digest(&order)?;
    assert_eq!(market.client.order_hash_of(&order, At::Latest).await?, order_hash);
    let bid = market.bid(order_hash, 8).await?;
    let (lease_id, signed) = market.operator.sign_bid(&domain, bid)?;
    assert_eq!(market.client.lease_id_of(&bid, At::Latest).await?, lease_id);
    assert_eq!(domain.bid_signer(&signed), Some(market.operator.address()));
    let statement = Statement {
        lease_id,
        amount_cum: Amount(9),
        as_of: Timestamp(10),
        usage_hash: B256::repeat_byte(11),
        last: true,
    };
    let digest = domain.statement_digest(&statement)?;
    assert_eq!(market.client.statement_digest_of(&statement, At::Latest).await?, digest);
    Ok(())
}

#[test]
fn a_bid_signed_for_another_market_names_another_signer() -> Result<()> {
    let vectors = vectors()?;
    let key = HotKey::random();
    let bid = bid_from_abi(&raw_bid(&items(&vectors, "bids")[0]["bid"])?)?;
    let here = domain(&vectors)?;
    let there = Eip712::new(31337, Address::repeat_byte(0x77));
    let (_, signed) = key.sign_bid(&there, bid)?;
    assert_eq!(there.bid_signer(&signed), Some(key.address()));
    assert_ne!(here.bid_signer(&signed), Some(key.address()));
    let unsigned = Signature64 { r: B256::ZERO, vs: B256::ZERO };
    assert_eq!(here.bid_signer(&SignedBid { bid, signature: unsigned }), None);
    Ok(())
}
