//! The command line of `cargo xtask`: one variant for each task, one line each to run it.

use clap::{Parser, Subcommand};

use crate::testbed;

/// Development tasks of Leasehold.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Bring up or take down a real chain and a real Kubernetes cluster on this machine.
    #[command(subcommand)]
    Testbed(testbed::Command),
}

impl Args {
    /// Runs the task that the command line names.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { task } = self;
        match task {
            Task::Testbed(command) => command.run(),
        }
    }
}
