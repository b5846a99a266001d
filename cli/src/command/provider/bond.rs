//! `leasehold provider unbond`, `withdraw`, `deregister` and `void-bids`: the ways out. Each looks at the chain first and does
//! what is still missing, so that it can be run again after anything.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use chain::rpc::At;
use chain::{ChainClient, HotKey, Provider, ProviderStatus};
use market::{Amount, LeaseId, LeaseState, Timestamp};

use super::status::{self, when};
use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::key_file;
use crate::money::Money;
use crate::progress::Progress;

/// Leases that a node is asked for at once.
const LEASES_AT_ONCE: usize = 200;

#[derive(Debug, clap::Args)]
pub(crate) struct Owner {
    /// File with the cold owner key, which holds bond and earnings [default: --key-file]
    #[arg(long, value_name = "FILE")]
    owner_key_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UnbondArgs {
    #[command(flatten)]
    owner: Owner,
    /// Tokens, `all`, or `none` to take the request back
    amount: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct WithdrawArgs {
    #[command(flatten)]
    owner: Owner,
    /// Where to [default: the owner's own address]
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VoidBidsArgs {
    /// The provider, where the key is its operator's [default: the key's address]
    #[arg(long, value_name = "ADDRESS")]
    provider: Option<Address>,
}

impl Owner {
    /// The owner's key.
    pub(super) fn key(&self, context: &Context) -> anyhow::Result<HotKey> {
        match &self.owner_key_file {
            Some(file) => key_file::load(file),
            None => context.key(),
        }
    }
}

/// What every way out begins with.
struct Account {
    chain: ChainClient,
    money: Money,
    owner: Address,
    found: Provider,
    now: Timestamp,
}

impl Account {
    async fn read(context: &Context, owner: Address) -> anyhow::Result<Self> {
        let chain = context.chain().await?;
        let money = context.money_of(&chain, chain.bond_token(At::Latest).await?).await?;
        let found = chain.provider_of(owner, At::Latest).await?;
        if found.status == ProviderStatus::None {
            return Err(status::not_registered(owner).into());
        }
        let now = chain.block(At::Latest).await?.timestamp;
        Ok(Self { chain, money, owner, found, now })
    }

    /// What of the bond can leave, now or once `unbond_at` has come.
    fn loose(&self) -> Amount {
        self.found.unbonding.min(self.found.bond.saturating_sub(self.found.locked))
    }

    async fn print(&self, context: &Context, transactions: Vec<B256>) -> anyhow::Result<()> {
        let mut registration = status::read(&self.chain, self.owner).await?;
        registration.transactions = transactions;
        status::print(context, &self.chain, &registration).await
    }
}

pub(crate) async fn unbond(context: &Context, args: UnbondArgs) -> anyhow::Result<()> {
    let key = args.owner.key(context)?;
    let account = Account::read(context, key.address()).await?;
    let (bond, money) = (account.found.bond, &account.money);
    let amount = match args.amount.as_str() {
        "all" => bond,
        "none" => Amount::ZERO,
        text => money.parse(text)?,
    };
    if amount > bond {
        let text = format!("the bond is {}", money.show(bond));
        return Err(Stop::new(Kind::InsufficientFunds, text).advise("ask less back, or `all`").into());
    }
    let mut progress = Progress::new();
    if amount == account.found.unbonding {
        progress.note(&format!("{} are asked back already", money.show(amount)));
        return account.print(context, Vec::new()).await;
    }
    let wallet = Wallet::new(&account.chain, key);
    let asked = ask_back(context, &account, &wallet, amount, &mut progress).await?;
    account.print(context, vec![asked]).await
}

/// Asks bond back, in place of what was asked before. The delay begins anew.
async fn ask_back(
    context: &Context,
    account: &Account,
    wallet: &Wallet,
    amount: Amount,
    progress: &mut Progress,
) -> anyhow::Result<B256> {
    let Account { chain, money, .. } = account;
    let days = chain.unbond_delay(At::Latest).await?.div_ceil(86_400);
    let shown = money.show(amount);
    context.confirm(&match amount.is_zero() {
        true => "Keep the whole bond, and take the request back?".to_owned(),
        false => {
            format!("Ask {shown} of the bond back? It backs no new lease from now on, and can leave in {days} days.")
        }
    })?;
    progress.waiting("waiting for the request");
    let mined = wallet.send(chain.calls().start_unbond(amount)).await?;
    progress.done("asked", &format!("asked {shown} back: {}", mined.tx_hash));
    Ok(mined.tx_hash)
}

pub(crate) async fn withdraw(context: &Context, args: WithdrawArgs) -> anyhow::Result<()> {
    let key = args.owner.key(context)?;
    let account = Account::read(context, key.address()).await?;
    if account.found.unbonding.is_zero() {
        let stop = Stop::new(Kind::NotFound, "none of the bond was asked back");
        return Err(stop.advise("`leasehold provider unbond` asks it back").into());
    }
    let to = args.to.unwrap_or(account.owner);
    let wallet = Wallet::new(&account.chain, key);
    let mut progress = Progress::new();
    let withdrawn = take_out(context, &account, &wallet, to, &mut progress).await?;
    account.print(context, vec![withdrawn]).await
}

/// Takes out what was asked back and is not locked.
async fn take_out(
    context: &Context,
    account: &Account,
    wallet: &Wallet,
    to: Address,
    progress: &mut Progress,
) -> anyhow::Result<B256> {
    let Account { chain, money, found, now, .. } = account;
    if *now < found.unbond_at {
        let text = format!("{} can leave from {} on", money.show(found.unbonding), when(found.unbond_at.0));
        return Err(Stop::new(Kind::NotAllowed, text).advise("run the same command then").into());
    }
    let loose = account.loose();
    if loose.is_zero() {
        let text = format!("leases still lock all of the bond of {}", money.show(found.bond));
        return Err(Stop::new(Kind::NotAllowed, text).advise("it is free when they have closed").into());
    }
    context.confirm(&format!("Move {} of the bond to {to}?", money.show(loose)))?;
    progress.waiting("waiting for the transfer");
    let mined = wallet.send(chain.calls().withdraw_bond(to)).await?;
    progress.done("withdrawn", &format!("withdrew {}: {}", money.show(loose), mined.tx_hash));
    Ok(mined.tx_hash)
}

pub(crate) async fn deregister(context: &Context, args: WithdrawArgs) -> anyhow::Result<()> {
    let key = args.owner.key(context)?;
    let mut account = Account::read(context, key.address()).await?;
    refuse_while_leases_live(&account).await?;
    let wallet = Wallet::new(&account.chain, key);
    let (mut progress, mut transactions) = (Progress::new(), Vec::new());
    if account.found.operator != Address::ZERO {
        context
            .confirm("Remove the operator key? No bid is valid any more, and the agent can do nothing.")?;
        progress.waiting("waiting for the operator's removal");
        let call = account.chain.calls().set_operator(Address::ZERO, Timestamp(0))?;
        let mined = wallet.send(call).await?;
        progress.done("operator", &format!("removed the operator key: {}", mined.tx_hash));
        transactions.push(mined.tx_hash);
    }
    let bond = account.found.bond;
    if account.found.unbonding != bond {
        transactions.push(ask_back(context, &account, &wallet, bond, &mut progress).await?);
        account = Account::read(context, account.owner).await?;
    }
    let earned = account.chain.available(account.owner, At::Latest).await?;
    if !earned.is_zero() {
        let earnings = context.money(&account.chain).await?.show(earned);
        progress.note(&format!(
            "the account in the market holds {earnings}: `leasehold wallet withdraw` takes it out"
        ));
    }
    if bond.is_zero() {
        progress.note("nothing of the bond is left");
    } else if account.now < account.found.unbond_at {
        let from = when(account.found.unbond_at.0);
        progress.note(&format!("the bond can leave from {from} on: run the same command then"));
    } else {
        let to = args.to.unwrap_or(account.owner);
        transactions.push(take_out(context, &account, &wallet, to, &mut progress).await?);
    }
    account.print(context, transactions).await
}

/// A provider whose operator is gone could settle nothing of what runs.
async fn refuse_while_leases_live(account: &Account) -> anyhow::Result<()> {
    let opened = account.chain.leases_of_provider(account.owner).await?;
    let mut live: Vec<LeaseId> = Vec::new();
    for chunk in opened.chunks(LEASES_AT_ONCE) {
        let ids: Vec<LeaseId> = chunk.iter().map(|lease| lease.lease_id).collect();
        let leases = account.chain.get_leases(&ids, At::Latest).await?;
        let is_live = |state| !matches!(state, LeaseState::Closed | LeaseState::None);
        live.extend(ids.iter().zip(leases).filter(|(_, lease)| is_live(lease.state)).map(|(id, _)| *id));
    }
    let Some(first) = live.first() else { return Ok(()) };
    let text = format!("{} leases are not closed, the first is {first}", live.len());
    let advice = "wait for their end, or let the agent reclaim them with notice";
    Err(Stop::new(Kind::NotAllowed, text).advise(advice).into())
}

pub(crate) async fn void_bids(context: &Context, args: VoidBidsArgs) -> anyhow::Result<()> {
    let key = context.key()?;
    let account = Account::read(context, args.provider.unwrap_or(key.address())).await?;
    let mut progress = Progress::new();
    progress.waiting("waiting for the bids' end");
    let wallet = Wallet::new(&account.chain, key);
    let mined = wallet.send(account.chain.calls().bump_bid_epoch(account.owner)).await?;
    progress.done("voided", &format!("no outstanding bid is valid any more: {}", mined.tx_hash));
    account.print(context, vec![mined.tx_hash]).await
}
