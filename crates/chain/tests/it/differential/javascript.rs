//! The JavaScript side: `contracts/tools/differential.mjs` in a process of its own, a line for a line.

use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running node. It ends when its input does, or when this is dropped.
pub(super) struct JavaScript {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl JavaScript {
    pub(super) fn start(arguments: &[&str]) -> Result<Self> {
        let mut process = Command::new("node")
            .arg("tools/differential.mjs")
            .args(arguments)
            .current_dir(testkit::contracts::folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("failed to start node")?;
        let input = process.stdin.take().context("node has no input")?;
        let output = BufReader::new(process.stdout.take().context("node has no output")?).lines();
        Ok(Self { _process: process, input, output })
    }

    /// Its answers to these lines, in order.
    pub(super) async fn answers(&mut self, lines: &[String]) -> Result<Vec<String>> {
        let Self { input, output, .. } = self;
        // At the same time: whoever only wrote would wait for ever once both pipes are full.
        let write = async {
            input.write_all((lines.join("\n") + "\n").as_bytes()).await?;
            anyhow::Ok(input.flush().await?)
        };
        let read = async {
            let mut answers = Vec::with_capacity(lines.len());
            while answers.len() < lines.len() {
                answers.push(output.next_line().await?.context("node ended too early; see its error above")?);
            }
            anyhow::Ok(answers)
        };
        let ((), answers) = tokio::try_join!(write, read)?;
        Ok(answers)
    }
}
