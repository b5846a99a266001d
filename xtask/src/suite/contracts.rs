//! Proofs of the contracts: forge's tests, and the tools in `contracts/` that check something. Two run at a time, the
//! long ones first.

use std::{collections::VecDeque, process::Command, sync::Mutex, thread, time::Instant};

use anyhow::Context as _;

use super::Log;
use crate::{
    codegen,
    step::{note, seconds},
    tools::{self, repository},
};

/// How many run at once.
const AT_ONCE: usize = 2;

/// The campaign of the market's invariants, which `tools/reach.mjs` runs.
const CAMPAIGN: &str = "test/invariant/**";
/// What the choice of the guard does not touch.
const NOT_OF_THE_GUARD: &str = "test/{invariant,gas}/**";

/// The sources of what a deployment makes.
const DEPLOYED: [&str; 4] = [
    "src/LeaseMarket.sol",
    "src/ProviderRegistry.sol",
    "src/RewardsDistributor.sol",
    "src/deployment/Authority.sol",
];

/// One proof.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) counted: Counted,
    pub(super) command: Command,
}

/// How a part counts in the totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// By the closing line of its test runner.
    AsTests,
    /// As one test, passed or failed.
    AsOne,
}

/// Runs them all, whatever fails.
pub(super) fn run(log: &mut Log) -> anyhow::Result<()> {
    codegen::build_contracts()?;
    let queue = Mutex::new(VecDeque::from(parts()?));
    let log = Mutex::new(log);
    let work = || -> anyhow::Result<()> {
        let next = || queue.lock().expect("no thread panics with the queue").pop_front();
        let mut outcome = Ok(());
        while let Some(part) = next() {
            let started = Instant::now();
            let output =
                patient(&part.command).output().with_context(|| format!("failed to start {}", part.name));
            note(&format!("{} ({})", part.name, seconds(started.elapsed())));
            let mut log = log.lock().expect("no thread panics with the log");
            let result = output.and_then(|output| log.part(&part, &output));
            outcome = outcome.and(result);
        }
        outcome
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let outcomes = workers.into_iter().map(|worker| worker.join().expect("a part panics nowhere"));
        outcomes.fold(Ok(()), Result::and)
    })
}

/// The same command at the lowest priority, so that a layer which waits for a cluster is not kept waiting.
fn patient(command: &Command) -> Command {
    let mut nice = Command::new("nice");
    nice.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
    nice.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = command.get_current_dir() {
        nice.current_dir(directory);
    }
    nice
}

fn parts() -> anyhow::Result<Vec<Part>> {
    Ok(vec![
        one("every invariant after every step of 256 walks", tool("reach", &[])),
        one("every seeded error is found by a test", tool("mutants", &["--check"])),
        tests("forge test under the storage guard", guarded(&["test", "--no-match-path", NOT_OF_THE_GUARD])?),
        tests("forge test", forge(&["test", "--no-match-path", CAMPAIGN])?),
        one("gas within targets and 2 % of the snapshot", tool("gas", &["--check"])),
        one("every error is expected by a test", tool("errors", &["--check"])),
        one("vectors of typed data", tool("vectors", &["--check"])),
        one("vectors of rewards", tool("rewards-vectors", &["--check"])),
    ])
}

/// What is left of the storage guard's build when its tests have run.
pub(super) fn opcodes(log: &mut Log) -> anyhow::Result<()> {
    log.check("no opcode later than Paris under the storage guard", |log| {
        log.command(&mut guarded(&[&["build"][..], &DEPLOYED].concat())?)?;
        log.command(&mut tool("opcodes", &["--check"]))
    })
}

fn one(name: &'static str, command: Command) -> Part {
    Part { name, counted: Counted::AsOne, command }
}

fn tests(name: &'static str, command: Command) -> Part {
    Part { name, counted: Counted::AsTests, command }
}

/// A tool of `contracts/tools`.
pub(super) fn tool(name: &str, arguments: &[&str]) -> Command {
    let mut node = Command::new("node");
    node.arg(format!("tools/{name}.mjs")).args(arguments).current_dir(repository().join("contracts"));
    node
}

/// forge itself: npm's wrapper of it ends well when a test fails.
pub(super) fn forge(arguments: &[&str]) -> anyhow::Result<Command> {
    tools::node_modules()?;
    let mut forge = Command::new(tools::foundry("forge")?);
    forge.args(arguments).current_dir(repository().join("contracts"));
    Ok(forge)
}

fn guarded(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut forge = forge(arguments)?;
    forge.env("FOUNDRY_PROFILE", "storage-guard");
    Ok(forge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_command_is_the_same_command_at_the_lowest_priority() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut command = Command::new("sh");
        command.args(["-c", "echo $GREETING $(nice); pwd -P"]).env("GREETING", "hello").current_dir(&folder);
        let output = patient(&command).output().expect("there is a shell");
        let place = folder.path().canonicalize().expect("the folder is there");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("hello 19\n{}\n", place.display()));
    }
}
