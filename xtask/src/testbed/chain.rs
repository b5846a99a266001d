//! The chain: anvil, with a block each second and nothing kept after its end.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::probe;
use super::site::{CHAIN_ID, Site};
use super::state::Account;
use crate::process::{Daemon, Running};
use crate::tools;

/// Starts anvil.
pub(crate) fn start(site: &Site) -> Result<Running> {
    probe::ensure_free(site.address, site.ports.chain, "the chain")?;
    // anvil keeps old states of a long run in its home, which must not be the developer's.
    let home = site.state.join("anvil");
    fs::create_dir_all(&home)?;
    Daemon::new("anvil", tools::foundry("anvil")?)
        .env("HOME", &home)
        .args(["--host", &site.address.to_string(), "--port", &site.ports.chain.to_string()])
        .args([
            "--chain-id",
            &CHAIN_ID.to_string(),
            "--block-time",
            "1",
            "--slots-in-an-epoch",
            "1",
            "--quiet",
        ])
        .args(["--config-out".into(), accounts_file(site)])
        .start(&site.records(), &site.logs())
}

/// Waits until the chain answers.
pub(crate) fn wait(site: &Site, anvil: &mut Running) -> Result<()> {
    anvil.wait_until(Duration::from_secs(30), || check(site))
}

/// Succeeds if the chain answers and is ours.
pub(crate) fn check(site: &Site) -> Result<()> {
    let answer = probe::call(site.address, site.ports.chain, "eth_chainId")?;
    ensure!(answer.as_str() == Some(&format!("{CHAIN_ID:#x}")), "another chain answers: {answer}");
    Ok(())
}

/// The accounts that anvil made rich.
pub(crate) fn accounts(site: &Site) -> Result<Vec<Account>> {
    let text = fs::read(accounts_file(site)).context("anvil wrote no accounts")?;
    accounts_of(&serde_json::from_slice(&text).context("anvil's accounts are not JSON")?)
}

fn accounts_file(site: &Site) -> std::path::PathBuf {
    site.state.join("anvil/accounts.json")
}

fn accounts_of(config: &Value) -> Result<Vec<Account>> {
    let list = |name: &str| -> Result<Vec<String>> {
        let values = config[name].as_array().with_context(|| format!("anvil wrote no {name}"))?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("an account is not text");
        values.iter().map(text).collect()
    };
    let (addresses, keys) = (list("available_accounts")?, list("private_keys")?);
    ensure!(addresses.len() == keys.len(), "anvil wrote accounts without keys");
    let account = |(address, private_key)| Account { address, private_key };
    Ok(addresses.into_iter().zip(keys).map(account).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_goes_with_its_key() {
        let config =
            serde_json::json!({"available_accounts": ["0x1", "0x2"], "private_keys": ["0x3", "0x4"]});
        let account = |address: &str, key: &str| Account { address: address.into(), private_key: key.into() };
        assert_eq!(accounts_of(&config).unwrap(), [account("0x1", "0x3"), account("0x2", "0x4")]);
    }
}
