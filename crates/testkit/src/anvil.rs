//! A development chain in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use alloy::primitives::{Address, U256};
use anyhow::{Context, Result, bail};
use chain::Rpc;
use serde_json::{Value, json};

use crate::contracts;

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// One for each transaction, at once.
    OnDemand,
    /// One after each such time.
    Every(Duration),
    /// Only when asked for with [`Anvil::mine`].
    Manual,
}

/// A running anvil. Dropping it ends the process.
#[derive(Debug)]
pub struct Anvil {
    process: Child,
    url: String,
    rpc: Rpc,
}

/// The chain id of every anvil started here.
pub const CHAIN_ID: u64 = 31337;

impl Anvil {
    /// Starts anvil on a free port of loopback and waits until it answers.
    pub fn start(mining: Mining) -> Result<Self> {
        Self::start_with(mining, &[])
    }

    /// The same with further arguments of anvil's.
    pub fn start_with(mining: Mining, arguments: &[&str]) -> Result<Self> {
        let binary = binary()?;
        let mut command = Command::new(&binary);
        command.args(["--host", "127.0.0.1", "--port", "0", "--accounts", "1", "--order", "fifo"]);
        command.args(["--chain-id", &CHAIN_ID.to_string(), "--slots-in-an-epoch", "1", "--color", "never"]);
        command.args(arguments);
        match mining {
            Mining::OnDemand => {}
            Mining::Every(time) => {
                command.args(["--block-time", &time.as_secs_f64().to_string()]);
            }
            Mining::Manual => {
                command.arg("--no-mining");
            }
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start {}", binary.display()))?;
        let url = match listening_url(&mut process) {
            Ok(url) => url,
            Err(error) => {
                stop(&mut process);
                return Err(error);
            }
        };
        let rpc = Rpc::dial(url.parse()?)?;
        Ok(Self { process, url, rpc })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// Makes blocks.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        self.ask("anvil_mine", json!([U256::from(blocks)])).await
    }

    /// Lets the chain's clock jump, and makes a block there.
    pub async fn pass(&self, seconds: u64) -> Result<()> {
        self.ask("evm_increaseTime", json!([U256::from(seconds)])).await?;
        self.mine(1).await
    }

    /// Stops making blocks for transactions.
    pub async fn pause_mining(&self) -> Result<()> {
        self.ask("evm_setAutomine", json!([false])).await
    }

    /// Makes a block for each transaction again.
    pub async fn resume_mining(&self) -> Result<()> {
        self.ask("evm_setAutomine", json!([true])).await
    }

    /// Replaces the newest blocks by empty ones. Their transactions are dropped for good.
    pub async fn reorg(&self, depth: u64) -> Result<()> {
        self.ask("anvil_reorg", json!([depth, []])).await
    }

    /// Takes the newest blocks back.
    pub async fn rollback(&self, depth: u64) -> Result<()> {
        self.ask("anvil_rollback", json!([depth])).await
    }

    /// Forgets every transaction that waits for a block.
    pub async fn drop_pending(&self) -> Result<()> {
        self.ask("anvil_dropAllTransactions", json!([])).await
    }

    /// Sets the base fee of the next block.
    pub async fn set_next_base_fee(&self, fee: u128) -> Result<()> {
        self.ask("anvil_setNextBlockBaseFeePerGas", json!([U256::from(fee)])).await
    }

    /// Gives an account coin for gas.
    pub async fn fund(&self, account: Address) -> Result<()> {
        let coin = U256::from(10u128.pow(21));
        self.ask("anvil_setBalance", json!([account, coin])).await
    }

    async fn ask(&self, method: &'static str, params: Value) -> Result<()> {
        let _answer: Value = self.rpc.request(method, params).await?;
        Ok(())
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// Ends exactly the process that was started.
fn stop(process: &mut Child) {
    // It may have ended by itself; then there is nothing to end.
    let _ended = process.kill();
    let _status = process.wait();
}

fn listening_url(process: &mut Child) -> Result<String> {
    let stdout = process.stdout.take().context("anvil has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    for line in lines.by_ref() {
        if let Some(address) = line?.strip_prefix("Listening on ") {
            let url = format!("http://{address}");
            // Keep reading: a full pipe would stop the process.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(url);
        }
    }
    bail!("anvil ended before it listened")
}

fn binary() -> Result<PathBuf> {
    contracts::tool("anvil", "LEASEHOLD_ANVIL")
}
