//! The layers: what each proves, and the commands that prove it.

use std::{fmt, process::Command};

use clap::ValueEnum as _;

use super::{
    Log, charts, cluster,
    contracts::{self, forge},
};
use crate::{
    codegen, tidy,
    tools::{self, repository},
};

/// One kind of proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layer {
    /// Formatting of Rust and Solidity.
    Format,
    /// Shape of the repository and import rules.
    Tidy,
    /// Generated files.
    Codegen,
    /// Lints and documentation.
    Lint,
    /// Rust: unit, property, mock API server and anvil tests.
    Rust,
    /// The chart.
    Charts,
    /// Solidity: unit, fuzz, attack and invariant tests under both guards, vectors, and gas.
    Contracts,
    /// Operator and RBAC on a real API server.
    ApiServer,
    /// Advisories and licences of dependencies.
    Deny,
    /// The escape table on a real node, and each control's absence.
    Isolation,
    /// The whole story on a real chain and a real node.
    Demo,
}

impl Layer {
    /// Every layer, in the order in which they run.
    pub(super) const ALL: [Self; 11] = [
        Self::Format,
        Self::Tidy,
        Self::Codegen,
        Self::Lint,
        Self::Rust,
        Self::Charts,
        Self::Contracts,
        Self::ApiServer,
        Self::Deny,
        Self::Isolation,
        Self::Demo,
    ];

    /// What the layer proves, for the progress line.
    pub(super) fn purpose(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// Whether it needs processor time alone, and none of what the layers after it use.
    pub(super) fn runs_behind(self) -> bool {
        self == Self::Contracts
    }

    /// Runs the layer.
    pub(super) fn run(self, log: &mut Log) -> anyhow::Result<()> {
        match self {
            Self::Format => {
                log.check("cargo fmt", |log| log.command(&mut cargo(&["fmt", "--all", "--check"])))?;
                let mut forge = forge(&["fmt", "--check"])?;
                log.check("forge fmt", |log| log.command(&mut forge))
            }
            Self::Tidy => log.check("tidy", |_| tidy::run()),
            Self::Codegen => log.check("generated files", |_| codegen::check()),
            Self::Lint => {
                let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
                log.check("clippy", |log| log.command(&mut cargo(&clippy)))?;
                let doc = ["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"];
                log.check("rustdoc", |log| log.command(cargo(&doc).env("RUSTDOCFLAGS", "-D warnings")))
            }
            Self::Contracts => {
                contracts::run(log)?;
                contracts::opcodes(log)
            }
            Self::Rust => {
                codegen::build_contracts()?;
                log.command(
                    cargo(&["test", "--workspace", "--no-fail-fast"])
                        .env("LEASEHOLD_ANVIL", tools::foundry("anvil")?)
                        .env("LEASEHOLD_FORGE", tools::foundry("forge")?),
                )
            }
            Self::Charts => charts::run(log),
            Self::ApiServer => api_server(log),
            Self::Deny => deny(log),
            Self::Isolation => log.check("isolation", |log| log.command(&mut xtask(&["isolation"])?)),
            Self::Demo => log.check("demo", |log| log.command(&mut xtask(&["demo"])?)),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.pad(value.get_name()))
    }
}

/// Tests that are ignored elsewhere because they need an API server; they find it by
/// `LEASEHOLD_TEST_KUBECONFIG`.
fn api_server(log: &mut Log) -> anyhow::Result<()> {
    log.command(&mut xtask(&["testbed", "up", "--control-plane-only"])?)?;
    let kubeconfig = crate::process::output(&mut xtask(&["testbed", "kubeconfig", "--control-plane-only"])?)?;
    let kubeconfig = kubeconfig.trim();
    let chart = cluster::run(log, kubeconfig);
    let tests = ["test", "--package", "e2e", "--test", "it", "--", "--ignored", "--test-threads=1"];
    let tests = log.command(cargo(&tests).env("LEASEHOLD_TEST_KUBECONFIG", kubeconfig));
    // Whatever was proved, nothing is left running.
    log.command(&mut xtask(&["testbed", "down", "--control-plane-only"])?)?;
    chart.and(tests)
}

/// cargo-deny takes long to build from source, so it is used where a developer has installed it.
fn deny(log: &mut Log) -> anyhow::Result<()> {
    if crate::process::is_on_path("cargo-deny") {
        return log.check("cargo deny", |log| {
            log.command(&mut cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]))
        });
    }
    eprintln!(
        "  · deny: cargo-deny is not installed (`cargo install cargo-deny --locked`), so nothing was checked"
    );
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(repository());
    cargo
}

/// This very program, so that no second build of it is waited for.
fn xtask(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut xtask = Command::new(std::env::current_exe()?);
    xtask.args(arguments).current_dir(repository());
    Ok(xtask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_runs_once_and_says_what_it_proves() {
        assert_eq!(Layer::value_variants(), Layer::ALL);
        assert!(Layer::ALL.into_iter().all(|layer| !layer.purpose().is_empty()));
    }
}
