//! `leasehold wallet`: keys and money.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use chain::rpc::At;
use serde::Serialize;

use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::key_file;
use crate::output::fields;
use crate::progress::Progress;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a key in a new file, mode 0600, and print its address
    New {
        /// The file; it must not exist
        file: PathBuf,
    },
    /// Print the address of the key
    Address,
    /// Show what the wallet and its account in the market hold
    Balance {
        /// Another address than the key's
        #[arg(long)]
        of: Option<Address>,
    },
    /// Move tokens from the wallet into its account in the market
    Deposit {
        /// Tokens, such as 12.5
        amount: String,
    },
    /// Move tokens from the account in the market to a wallet
    Withdraw {
        /// Tokens, such as 12.5
        amount: String,
        /// Where to [default: the key's own address]
        #[arg(long)]
        to: Option<Address>,
    },
    /// Take penalties and compensation that providers owe, out of their bonds
    Collect,
}

#[derive(Serialize)]
struct Key {
    address: Address,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    address: Address,
    token: Address,
    decimals: u8,
    /// Tokens in the wallet, base units.
    wallet: String,
    /// Tokens in the account in the market, base units.
    account: String,
    /// Penalties and compensation to collect, base units of the bonds' token.
    collectable: String,
    /// The chain's own coin, smallest units.
    native: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    amount: String,
    account: String,
    transactions: Vec<B256>,
}

pub(crate) async fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::New { file } => {
            if file.exists() {
                let stop =
                    Stop::new(Kind::Usage, format!("{} exists; a key is never overwritten", file.display()));
                return Err(stop.advise("choose another file").into());
            }
            print_key(context, key_file::create(&file)?.address())
        }
        Command::Address => print_key(context, context.key()?.address()),
        Command::Balance { of } => balance(context, of).await,
        Command::Deposit { amount } => deposit(context, &amount).await,
        Command::Withdraw { amount, to } => withdraw(context, &amount, to).await,
        Command::Collect => collect(context).await,
    }
}

fn print_key(context: &Context, address: Address) -> anyhow::Result<()> {
    context.output.print(&Key { address }, |key| key.address.to_string())
}

async fn balance(context: &Context, of: Option<Address>) -> anyhow::Result<()> {
    let address = match of {
        Some(address) => address,
        None => context.key()?.address(),
    };
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let wallet = chain.token_balance(address, At::Latest).await?;
    let account = chain.available(address, At::Latest).await?;
    let collectable = chain.claimable_bond(address, At::Latest).await?;
    let balance = Balance {
        address,
        token: chain.deployment().token,
        decimals: money.decimals,
        wallet: wallet.to_string(),
        account: account.to_string(),
        collectable: collectable.to_string(),
        native: chain.native_balance(address).await?.to_string(),
    };
    context.output.print(&balance, |balance| {
        fields([
            ("address", balance.address.to_string()),
            ("wallet", money.show(wallet)),
            ("account", money.show(account)),
            ("to collect", format!("{collectable} base units of the bonds' token")),
            ("gas", format!("{} wei", balance.native)),
        ])
    })
}

async fn deposit(context: &Context, amount: &str) -> anyhow::Result<()> {
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let amount = money.parse(amount)?;
    let key = context.key()?;
    let owner = key.address();
    let held = chain.token_balance(owner, At::Latest).await?;
    if held < amount {
        let text = format!("the wallet {owner} holds {}", money.show(held));
        return Err(Stop::new(Kind::InsufficientFunds, text)
            .advise("send tokens to it, or deposit less")
            .into());
    }
    context.confirm(&format!("Deposit {}?", money.show(amount)))?;
    let mut progress = Progress::new();
    let wallet = Wallet::new(&chain, key);
    progress.waiting("waiting for the deposit");
    let approve = chain.calls().approve_market(amount);
    let approved = wallet.approve(&chain, chain.deployment().market, approve, amount).await?;
    let deposited = wallet.send(chain.calls().deposit(owner, amount)).await?;
    progress.done("deposited", &format!("deposited {}: {}", money.show(amount), deposited.tx_hash));
    let account = chain.available(owner, At::Latest).await?;
    let transactions = approved.iter().chain([&deposited]).map(|mined| mined.tx_hash).collect();
    let moved = Moved { amount: amount.to_string(), account: account.to_string(), transactions };
    context.output.print(&moved, |_| format!("account  {}", money.show(account)))
}

async fn withdraw(context: &Context, amount: &str, to: Option<Address>) -> anyhow::Result<()> {
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let amount = money.parse(amount)?;
    let key = context.key()?;
    let owner = key.address();
    let to = to.unwrap_or(owner);
    let available = chain.available(owner, At::Latest).await?;
    if available < amount {
        let text = format!("the account of {owner} holds {}", money.show(available));
        return Err(Stop::new(Kind::InsufficientFunds, text)
            .advise("withdraw less, or close a lease first")
            .into());
    }
    context.confirm(&format!("Withdraw {} to {to}?", money.show(amount)))?;
    let mut progress = Progress::new();
    progress.waiting("waiting for the withdrawal");
    let mined = Wallet::new(&chain, key).send(chain.calls().withdraw(to, amount)).await?;
    progress.done("withdrawn", &format!("withdrew {}: {}", money.show(amount), mined.tx_hash));
    let account = chain.available(owner, At::Latest).await?;
    let moved =
        Moved { amount: amount.to_string(), account: account.to_string(), transactions: vec![mined.tx_hash] };
    context.output.print(&moved, |_| format!("account  {}", money.show(account)))
}

async fn collect(context: &Context) -> anyhow::Result<()> {
    let chain = context.chain().await?;
    let key = context.key()?;
    let owner = key.address();
    let amount = chain.claimable_bond(owner, At::Latest).await?;
    if amount.is_zero() {
        return Err(Stop::new(Kind::NotFound, format!("no provider owes {owner} anything")).into());
    }
    let mut progress = Progress::new();
    progress.waiting("waiting for the transfer");
    let mined = Wallet::new(&chain, key).send(chain.calls().withdraw_claimable(owner)).await?;
    progress.done("collected", &format!("collected {amount} base units: {}", mined.tx_hash));
    let account = chain.available(owner, At::Latest).await?;
    let moved =
        Moved { amount: amount.to_string(), account: account.to_string(), transactions: vec![mined.tx_hash] };
    context.output.print(&moved, |_| format!("collected  {amount} base units of the bonds' token"))
}
