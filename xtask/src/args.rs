//! The command line of `cargo xtask`: one variant for each task, one line each to run it.

use clap::{Parser, Subcommand};

use crate::{accuracy, bench, codegen, demo, deploy, images, isolation, suite, testbed, tidy};

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
    /// Make the images and push them to a registry, without a container daemon.
    Images(images::ImagesArgs),
    /// Tell the whole story of one lease on a real chain and a real cluster.
    Demo(demo::DemoArgs),
    /// Try every way out of a lease on a real cluster, and each control's absence.
    Isolation(isolation::IsolationArgs),
    /// Hold the meter's figures against the kernel's on a real node, while everything around it is killed.
    Accuracy(accuracy::AccuracyArgs),
    /// Deploy the contracts to a chain, and check a deployment.
    Deploy(deploy::DeployArgs),
    /// Run every test, from formatting to the demo.
    Test(suite::TestArgs),
    /// Measure; prints a table and, with --json, writes it.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Write the generated files, or check them.
    Codegen(codegen::CodegenArgs),
    /// Check the shape of the repository and who imports whom.
    Tidy,
}

impl Args {
    /// Runs the task that the command line names.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self { task } = self;
        match task {
            Task::Testbed(command) => command.run(),
            Task::Images(images) => images.run(),
            Task::Demo(demo) => demo.run(),
            Task::Isolation(isolation) => isolation.run(),
            Task::Accuracy(accuracy) => accuracy.run(),
            Task::Deploy(deploy) => deploy.run(),
            Task::Test(test) => test.run(),
            Task::Bench(bench) => bench.run(),
            Task::Codegen(codegen) => codegen.run(),
            Task::Tidy => tidy::run(),
        }
    }
}
