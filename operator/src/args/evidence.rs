//! Where the ledger is, and `operator evidence`, which reads it.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Parser};
use ledger::{Authority, B256, Location, Reader, Rollups, Secret};
use usage::{
    bundle,
    verify::{Evidence, verify},
};

/// Where the meter keeps evidence.
#[derive(Debug, Args)]
pub(super) struct LedgerArgs {
    /// Where to keep what was counted and its evidence: a file, or postgres://USER@HOST/DATABASE without a password. Left
    /// out, only what is published in each lease's status is kept.
    #[arg(long, env = "LEASEHOLD_LEDGER", hide_env_values = true)]
    ledger: Option<String>,
    /// File with the password for the ledger's database.
    #[arg(long, requires = "ledger")]
    ledger_password_file: Option<PathBuf>,
    /// Certificate authority (PEM) of the ledger's database. Needed unless the database is on the same machine.
    #[arg(long, requires = "ledger")]
    ledger_ca: Option<PathBuf>,
}

impl LedgerArgs {
    /// Where it is; none if there is none.
    pub(super) fn location(&self) -> anyhow::Result<Option<Location>> {
        let Some(ledger) = &self.ledger else { return Ok(None) };
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
        };
        let password = self.ledger_password_file.as_ref().map(read).transpose()?;
        let authority = self.ledger_ca.as_ref().map(read).transpose()?;
        let authority = authority.map(|pem| Authority::from_pem(pem.as_bytes())).transpose()?;
        let password = password.map(|password| Secret::new(&password));
        Ok(Some(Location::parse(ledger, password, authority)?))
    }
}

/// Flags of `operator evidence`.
#[derive(Debug, Parser)]
pub(super) struct EvidenceArgs {
    /// Id of the lease on chain.
    #[arg(long)]
    lease: B256,
    /// The `meterRoot` of the statement to prove. Left out, the newest publication is proved.
    #[arg(long)]
    root: Option<B256>,
    #[command(flatten)]
    ledger: LedgerArgs,
}

impl EvidenceArgs {
    /// Prints the bundle.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let location = self.ledger.location()?.context("name the ledger: --ledger")?;
        let store = ledger::read(&location).await?;
        let evidence = gather(&*store, self.lease, self.root).await?;
        // What does not hold here holds nowhere.
        let verified = verify(&evidence).context("the ledger does not prove what was published")?;
        ensure!(self.root.is_none_or(|root| root == verified.root), "the ledger leads to another root");
        std::io::stdout().write_all(bundle::write(&evidence)?.as_bytes()).context("failed to print")
    }
}

async fn gather(store: &dyn Reader, lease: B256, root: Option<B256>) -> anyhow::Result<Evidence> {
    let published = store.published(lease).await?;
    let asked_for = published.into_iter().rev().find(|one| root.is_none_or(|root| one.cut.root() == root));
    let cut = asked_for.context("the ledger does not hold this publication, or holds it no longer")?.cut;
    let Rollups { hours, fives } = store.rollups(lease).await?;
    Ok(Evidence::gather(lease, &hours, &fives, cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(flags: &[&str]) -> LedgerArgs {
        let command =
            ["evidence", "--lease", "0x1111111111111111111111111111111111111111111111111111111111111111"];
        EvidenceArgs::try_parse_from(command.iter().chain(flags)).unwrap().ledger
    }

    #[test]
    fn a_password_comes_from_a_file_and_never_from_the_command_line() {
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("password");
        fs::write(&file, "hunter2\n").unwrap();
        let url = "postgres://meter@localhost/meter";
        let named = args(&["--ledger", url, "--ledger-password-file", &file.display().to_string()]);
        let location = named.location().unwrap().unwrap();
        assert!(matches!(&location, Location::Postgres { password: Some(_), .. }));
        assert!(!format!("{named:?}{location:?}").contains("hunter2"));
        let written = args(&["--ledger", "postgres://meter:hunter2@localhost/meter"]).location().unwrap_err();
        assert!(!format!("{written:?}").contains("hunter2"), "{written:?}");
        assert!(args(&[]).location().unwrap().is_none());
    }
}
