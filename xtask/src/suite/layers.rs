//! The layers: what each proves, and the commands that prove it.

use std::{fmt, fs, process::Command};

use anyhow::Context as _;
use clap::ValueEnum as _;

use super::{
    Log, charts, cluster,
    contracts::{self, forge},
};
use crate::{
    codegen, tidy,
    tools::{self, debian, repository},
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
    /// An operator killed at every API call, alone and while something else goes wrong.
    Crash,
    /// Advisories and licences of dependencies.
    Deny,
    /// The escape table on a real node, and each control's absence.
    Isolation,
    /// The whole story on a real chain and a real node.
    Demo,
}

impl Layer {
    /// Every layer, in the order in which they run.
    pub(super) const ALL: [Self; 12] = [
        Self::Format,
        Self::Tidy,
        Self::Codegen,
        Self::Lint,
        Self::Rust,
        Self::Charts,
        Self::Contracts,
        Self::ApiServer,
        Self::Crash,
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
                debian::ensure_for_database()?;
                log.command(
                    cargo(&["test", "--workspace", "--no-fail-fast"])
                        .env("LEASEHOLD_ANVIL", tools::foundry("anvil")?)
                        .env("LEASEHOLD_FORGE", tools::foundry("forge")?),
                )
            }
            Self::Charts => charts::run(log),
            Self::ApiServer => api_server(log),
            Self::Crash => crash(log),
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

/// Tests that are ignored elsewhere because they need an API server, and the chart on it. The agent's need a chain, too.
fn api_server(log: &mut Log) -> anyhow::Result<()> {
    codegen::build_contracts()?;
    debian::ensure_for_database()?;
    let packages = ["--package", "provider-agent", "--package", "leasehold", "--package", "operator"];
    log.command(cargo(&["build"]).args(packages))?;
    let programs = crate::images::target_directory().join("debug");
    let (anvil, forge) = (tools::foundry("anvil")?, tools::foundry("forge")?);
    on_control_plane(log, |log, kubeconfig| {
        let chart = cluster::run(log, kubeconfig);
        let mut tests = api_tests(kubeconfig, &["--skip", "crash::"]);
        tests.env("LEASEHOLD_TEST_AGENT", programs.join("provider-agent"));
        tests.env("LEASEHOLD_TEST_CLI", programs.join("leasehold"));
        tests.env("LEASEHOLD_TEST_OPERATOR", programs.join("operator"));
        tests.env("LEASEHOLD_ANVIL", anvil).env("LEASEHOLD_FORGE", forge);
        let tests = log.command(&mut tests);
        chart.and(tests)
    })
}

/// The crash matrix, which is long enough for a layer of its own. Its table is shown, and lies beside the log as JSON.
fn crash(log: &mut Log) -> anyhow::Result<()> {
    log.command(&mut cargo(&["build", "--package", "operator"]))?;
    let operator = crate::images::target_directory().join("debug/operator");
    let json = repository().join("target/test/crash-matrix.json");
    let tested = on_control_plane(log, |log, kubeconfig| {
        let mut tests = api_tests(kubeconfig, &["crash::", "--nocapture"]);
        log.command(tests.env("LEASEHOLD_TEST_OPERATOR", operator).env("LEASEHOLD_CRASH_JSON", &json))
    });
    if tested.is_ok() {
        let table = json.with_extension("txt");
        let text =
            fs::read_to_string(&table).with_context(|| format!("failed to read {}", table.display()))?;
        eprintln!("{text}");
    }
    tested
}

/// Runs something on an API server with its controllers and without nodes. Whatever was proved, nothing is left running.
fn on_control_plane(
    log: &mut Log,
    tests: impl FnOnce(&mut Log, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    log.command(&mut xtask(&["testbed", "up", "--control-plane-only"])?)?;
    let kubeconfig = crate::process::output(&mut xtask(&["testbed", "kubeconfig", "--control-plane-only"])?)?;
    let tested = tests(log, kubeconfig.trim());
    log.command(&mut xtask(&["testbed", "down", "--control-plane-only"])?)?;
    tested
}

/// The ignored tests that these words choose; they find the API server by `LEASEHOLD_TEST_KUBECONFIG`.
fn api_tests(kubeconfig: &str, words: &[&str]) -> Command {
    let mut tests =
        cargo(&["test", "--package", "e2e", "--test", "it", "--", "--ignored", "--test-threads=1"]);
    tests.args(words).env("LEASEHOLD_TEST_KUBECONFIG", kubeconfig);
    tests
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
