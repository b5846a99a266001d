//! From the manifest's file to an open lease.

use std::path::Path;

use alloy_primitives::{B256, FixedBytes};
use anyhow::Context as _;
use chain::convert::{encode_requirements, requirements_hash};
use chain::rpc::At;
use chain::{ChainClient, HotKey};
use manifest::ValidManifest;
use market::{LeaseId, Order, OrderHash};

use super::offers::Search;
use super::{Lock, Terms, Trail, offers};
use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::home::LeaseRecord;
use crate::manifest_file::{self, Secrets, VariableArgs};
use crate::money::{Money, hourly_rate_e6, rate_e6};
use crate::offer::{Acceptable, Wanted};

/// Seconds after the bid window until bidders forget the order.
const ORDER_GRACE_SECONDS: u64 = 300;

pub(super) async fn open(
    context: &Context,
    file: &Path,
    variables: &VariableArgs,
    terms: &Terms,
    trail: &mut Trail,
) -> anyhow::Result<LeaseId> {
    let manifest = manifest_file::load(file, variables, Secrets::Resolve)?;
    let requirements = manifest.requirements();
    let encoded = encode_requirements(&requirements)?;
    let limits = requirements.limits()?;
    let key = context.key()?;
    let tenant = key.address();
    let chain = context.current_chain().await?;
    let money = context.money(&chain).await?;
    let lock = lock(terms, &money)?;
    let max_rate_e6 = max_rate(terms, &money, &manifest, lock)?;
    trail
        .progress
        .done("checked", &format!("checked {}: {} services", file.display(), manifest.services().len()));

    let wallet = Wallet::new(&chain, key);
    fund(context, &chain, &wallet, &money, lock, tenant, trail).await?;

    let canonical = manifest.canonical_json();
    let salt = B256::random();
    let now = chain.block(At::Latest).await?.timestamp;
    let order = Order {
        tenant,
        token: chain.deployment().token,
        requirements_hash: requirements_hash(&encoded),
        manifest_hash: manifest::manifest_hash(&salt, &canonical),
        max_rate_e6,
        deposit: lock.amount(),
        deadline: now.saturating_add(terms.bid_window.saturating_add(ORDER_GRACE_SECONDS)),
        nonce: u64::from_be_bytes(FixedBytes::<8>::random().0),
    };
    let order_hash = chain.eip712().order_digest(&order)?;
    trail.progress.waiting("posting the order");
    let posted = wallet.send(chain.calls().post_order(&order, encoded)?).await?;
    trail.transactions.insert("postOrder", posted.tx_hash);
    trail.progress.done("orderPosted", &format!("order posted: {}", posted.tx_hash));

    let wanted = Wanted {
        order_hash,
        tenant,
        token: order.token,
        limits,
        duration: manifest.duration().0,
        max_rate_e6,
        deposit: order.deposit,
        arbiters: terms.arbiter.clone(),
        now,
    };
    let search = Search { chain: &chain, money: &money, wanted, terms };
    let chosen = offers::choose(&search, trail).await?;
    let question = format!(
        "Lock {} with provider {} at {} at most?",
        money.show(lock.amount()),
        chosen.signed.bid.provider,
        money.show_rate(chosen.rate_e6)
    );
    context.confirm(&question)?;
    accept(
        context,
        &chain,
        &wallet,
        &chosen,
        &Accepted { manifest: &manifest, canonical, salt, order_hash, lock },
        trail,
    )
    .await
}

fn lock(terms: &Terms, money: &Money) -> anyhow::Result<Lock> {
    match (&terms.deposit, &terms.amount) {
        (Some(deposit), _) => money.parse(deposit).map(Lock::FromWallet),
        (None, Some(amount)) => money.parse(amount).map(Lock::FromAccount),
        (None, None) => Err(Stop::new(Kind::Usage, "it is not said how much to lock in the lease")
            .advise(
                "give --deposit AMOUNT (from the wallet) or --amount AMOUNT (from the account in the market)",
            )
            .into()),
    }
}

fn max_rate(terms: &Terms, money: &Money, manifest: &ValidManifest, lock: Lock) -> anyhow::Result<u128> {
    let rate = match &terms.max_rate {
        Some(hourly) => hourly_rate_e6(money.parse(hourly)?),
        None => rate_e6(lock.amount(), u128::from(manifest.duration().0)),
    };
    match rate {
        Some(rate) if rate > 0 => Ok(rate),
        _ => Err(Stop::new(Kind::Usage, "the highest rate is out of range")
            .advise("give --max-rate AMOUNT")
            .into()),
    }
}

async fn fund(
    context: &Context,
    chain: &ChainClient,
    wallet: &Wallet,
    money: &Money,
    lock: Lock,
    tenant: alloy_primitives::Address,
    trail: &mut Trail,
) -> anyhow::Result<()> {
    let available = chain.available(tenant, At::Latest).await?;
    let missing = lock.amount().saturating_sub(available);
    match lock {
        _ if missing.is_zero() => Ok(()),
        Lock::FromAccount(_) => {
            let text = format!("the account of {tenant} holds {}", money.show(available));
            Err(Stop::new(Kind::InsufficientFunds, text)
                .advise(format!(
                    "give --deposit instead of --amount to move {} from the wallet",
                    money.show(missing)
                ))
                .into())
        }
        Lock::FromWallet(amount) => {
            context.confirm(&format!(
                "Move {} from the wallet into your account in the market?",
                money.show(missing)
            ))?;
            trail.progress.waiting("moving tokens into the account");
            if let Some((approved, deposited)) = wallet.fund_account(chain, money, amount).await? {
                if let Some(approved) = approved {
                    trail.transactions.insert("approve", approved.tx_hash);
                }
                trail.transactions.insert("deposit", deposited.tx_hash);
                trail
                    .progress
                    .done("deposited", &format!("deposited {}: {}", money.show(missing), deposited.tx_hash));
            }
            Ok(())
        }
    }
}

/// What becomes part of a lease when a bid is accepted.
struct Accepted<'a> {
    manifest: &'a ValidManifest,
    canonical: Vec<u8>,
    salt: B256,
    order_hash: OrderHash,
    lock: Lock,
}

/// Remembers everything, then opens the lease.
async fn accept(
    context: &Context,
    chain: &ChainClient,
    wallet: &Wallet,
    chosen: &Acceptable,
    accepted: &Accepted<'_>,
    trail: &mut Trail,
) -> anyhow::Result<LeaseId> {
    let bid = &chosen.signed.bid;
    let record = chain.provider_record(bid.provider).await?.context("the provider has no gateway")?;
    let session_key = HotKey::random();
    let record = LeaseRecord::new(
        chosen.lease_id,
        accepted.order_hash.0,
        chain.deployment(),
        bid.tenant,
        bid.provider,
        record.uri,
        accepted.manifest.name().to_string(),
        accepted.salt,
        &session_key,
    );
    // From here on a lease may exist, so what is needed to use it must be on the disk first.
    context.home.save_lease(&record, &accepted.canonical)?;
    let id = chosen.lease_id;
    trail.progress.note(&format!("if this is interrupted, go on with: leasehold deploy --resume {id}"));
    trail.progress.waiting("opening the lease");
    let opened = wallet
        .send(chain.calls().open_lease(&chosen.signed, session_key.address(), accepted.lock.amount())?)
        .await
        .with_context(|| {
            format!("the lease may or may not be open; `leasehold deploy --resume {id}` finds out")
        })?;
    trail.transactions.insert("openLease", opened.tx_hash);
    trail.progress.done("leaseOpened", &format!("lease {id} opened: {}", opened.tx_hash));
    Ok(id)
}
