//! The `leasehold` binary as a user runs it: its own home, key file and JSON output; its progress goes to the terminal.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// One user's command line.
#[derive(Debug, Clone)]
pub struct Leasehold {
    /// The binary.
    pub binary: PathBuf,
    /// The user's state directory.
    pub home: PathBuf,
    /// The user's key file.
    pub key_file: PathBuf,
    /// The deployment record.
    pub deployment: PathBuf,
    /// Chain endpoint.
    pub rpc_url: url::Url,
    /// Environment that the manifest's interpolation and secrets read.
    pub environment: Vec<(String, String)>,
}

impl Leasehold {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .args(["-o", "json"])
            .env("LEASEHOLD_HOME", &self.home)
            .env("LEASEHOLD_KEY_FILE", &self.key_file)
            .env("LEASEHOLD_DEPLOYMENT", &self.deployment)
            .env("LEASEHOLD_RPC", self.rpc_url.as_str())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs to the end and parses the one JSON document on standard output.
    ///
    /// # Errors
    /// When the command fails or prints something else.
    pub async fn run(&self, arguments: &[&str]) -> Result<Value> {
        let told = self.output(arguments).await?;
        serde_json::from_str(&told)
            .with_context(|| format!("`leasehold {}` printed no JSON: {told}", arguments[0]))
    }

    /// Runs to the end and returns what it wrote to standard output.
    ///
    /// # Errors
    /// When the command fails (its last lines are in the error), prints no text, or prints a secret.
    pub async fn output(&self, arguments: &[&str]) -> Result<String> {
        self.ends_with(0, arguments).await
    }

    /// The same of a command that ends with this code.
    ///
    /// # Errors
    /// When it ends with another one (its last lines are in the error), prints no text, or prints a secret.
    pub async fn ends_with(&self, code: i32, arguments: &[&str]) -> Result<String> {
        let mut child = self
            .command(arguments)
            .spawn()
            .with_context(|| format!("failed to start {}", self.binary.display()))?;
        let progress = tokio::spawn(echo(child.stderr.take().context("standard error is piped")?));
        let output = child.wait_with_output().await?;
        let told = progress.await?.join("\n");
        let name = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        anyhow::ensure!(
            output.status.code() == Some(code),
            "`leasehold {name}` ended with {}:\n{told}",
            output.status
        );
        let printed = String::from_utf8(output.stdout)
            .with_context(|| format!("`leasehold {name}` printed no text"))?;
        for text in [&told, &printed] {
            anyhow::ensure!(
                !self.secrets().any(|secret| text.contains(secret)),
                "`leasehold {name}` printed a secret"
            );
        }
        Ok(printed)
    }

    /// Values that no output and no log may hold.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.environment
            .iter()
            .filter(|(name, _)| name.ends_with("PASSWORD"))
            .map(|(_, value)| value.as_str())
    }

    /// Starts a command that keeps running and waits until it has printed one JSON document.
    ///
    /// # Errors
    /// When it ends before it printed one.
    pub async fn start(&self, arguments: &[&str]) -> Result<(Child, Value)> {
        let mut child = self.command(arguments).spawn()?;
        tokio::spawn(echo(child.stderr.take().context("standard error is piped")?));
        let mut lines = BufReader::new(child.stdout.take().context("standard output is piped")?).lines();
        let mut document = String::new();
        loop {
            let line = lines.next_line().await?;
            let line = line
                .with_context(|| format!("`leasehold {}` ended at once: {document}", arguments.join(" ")))?;
            document.push_str(&line);
            if let Ok(value) = serde_json::from_str(&document) {
                return Ok((child, value));
            }
        }
    }
}

async fn echo(stream: impl tokio::io::AsyncRead + Unpin) -> Vec<String> {
    let mut told = Vec::new();
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        println!("          {line}");
        told.push(line);
    }
    told
}

/// Reads a string field of a command's JSON.
///
/// # Errors
/// When the field is absent or no string.
pub fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no text at {pointer} in {value}"))
}

/// A user's directory below `out`, made if absent.
///
/// # Errors
/// When it cannot be made.
pub fn home(out: &Path, user: &str) -> Result<PathBuf> {
    let path = out.join(user);
    std::fs::create_dir_all(&path).with_context(|| format!("failed to make {}", path.display()))?;
    Ok(path)
}
