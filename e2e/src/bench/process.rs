//! A process of the operator's: started, asked, stopped.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

use crate::cluster::until;

/// How to start one of the operator's processes.
#[derive(Debug)]
pub struct Program {
    /// The binary.
    pub binary: PathBuf,
    /// What it shows the API server.
    pub kubeconfig: PathBuf,
    /// Its command and all its flags but those that every process has.
    pub arguments: Vec<String>,
    /// Where it logs; each start adds to it.
    pub log: PathBuf,
}

/// A process at work; it ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    admin: SocketAddr,
    http: reqwest::Client,
}

const PATIENCE: Duration = Duration::from_secs(120);
/// What Linux counts by in `/proc`, on every architecture that we run on (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// So often is a start looked at; nothing that is measured there may be shorter.
const STEP: Duration = Duration::from_millis(10);

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// When the binary cannot be started.
    pub async fn start(&self) -> Result<Process> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("failed to open {}", self.log.display()))?;
        let admin = free_address()?;
        let child = Command::new(&self.binary)
            .args(&self.arguments)
            .args(["--log-filter", "warn", "--admin-addr", &admin.to_string()])
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", self.binary.display()))?;
        Ok(Process { child, admin, http: reqwest::Client::new() })
    }
}

impl Process {
    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn ready(&self) -> Result<()> {
        until("the readiness of the process", PATIENCE, || async {
            let answer = self.http.get(self.url("readyz")).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        })
        .await
    }

    /// Waits until it has counted so many of something; looks often, because the time is measured.
    ///
    /// # Errors
    /// When it does not come to it.
    pub async fn counted_at_least(&self, name: &str, count: u64, within: Duration) -> Result<()> {
        let wait = async {
            let mut ticks = tokio::time::interval(STEP);
            loop {
                ticks.tick().await;
                // It answers only some time after its start.
                if let Ok(text) = self.metrics().await
                    && sum(&text, name)? >= count
                {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::time::timeout(within, wait).await.with_context(|| format!("{name} did not come to {count}"))?
    }

    /// What it has counted of something, over all labels.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn counter(&self, name: &str) -> Result<u64> {
        sum(&self.metrics().await?, name)
    }

    /// Memory that is resident now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_mib(&self) -> Result<f64> {
        self.memory_mib("VmRSS:")
    }

    /// The most memory that ever was resident.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_peak_mib(&self) -> Result<f64> {
        self.memory_mib("VmHWM:")
    }

    /// Time of processors that it has used.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn processor_time(&self) -> Result<Duration> {
        let pid = self.child.id().context("the process has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        ticks(&stat)
            .context("the kernel does not say how long the process was at work")
            .map(|ticks| ticks * TICK)
    }

    fn memory_mib(&self, field: &str) -> Result<f64> {
        let pid = self.child.id().context("the process has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib: f64 = line
            .and_then(|line| line.trim().strip_suffix("kB"))
            .context("the kernel does not say how much memory the process has")?
            .trim()
            .parse()?;
        Ok(kib / 1024.0)
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it ends with a failure or not at all.
    pub async fn stop(mut self) -> Result<()> {
        self.signal("TERM").await?;
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .context("the process did not end")??;
        ensure!(ended.success(), "the process ended with {ended}");
        Ok(())
    }

    /// Sends it a signal by its short name.
    ///
    /// # Errors
    /// When the process is gone.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().context("the process has ended by itself")?;
        // The process is our own child and not waited for yet, so the number is still its own.
        let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().await?;
        ensure!(sent.success(), "the process could not be sent {name}");
        Ok(())
    }

    /// `kill -9`, and waits until nothing of it is left.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("failed to kill the process")
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        self.child.wait().await.context("failed to wait for the process")
    }

    async fn metrics(&self) -> Result<String> {
        Ok(self.http.get(self.url("metrics")).send().await?.error_for_status()?.text().await?)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.admin)
    }
}

/// The sum of a counter over all its labels; nothing was counted yet where it is absent. With labels in its name it is that
/// one alone.
///
/// # Errors
/// When the metrics are no text of counters.
pub fn sum(metrics: &str, name: &str) -> Result<u64> {
    let mut total = 0;
    for line in metrics.lines().filter(|line| line.starts_with(name)) {
        let (series, value) = line.rsplit_once(' ').context("a line of the metrics has no value")?;
        if series == name || series[name.len()..].starts_with('{') {
            total += value.parse::<u64>().with_context(|| format!("{series} is {value}"))?;
        }
    }
    Ok(total)
}

/// Ticks in user and in kernel mode, from `/proc/PID/stat`: fields 14 and 15, counted behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut of_work = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
    let (user, kernel) = (of_work.next()?.ok()?, of_work.next()?.ok()?);
    user.checked_add(kernel)
}

/// An address of loopback that nobody listens on.
///
/// # Errors
/// When there is none left.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_of_any_kind() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 5 0 100 200 300";
        assert_eq!((ticks(stat), ticks("7 (a) S 1")), (Some(175), None));
    }

    #[test]
    fn a_counter_is_summed_over_its_labels_and_not_over_its_namesakes() {
        let metrics =
            "# TYPE a_total counter\na_total{kind=\"x\"} 2\na_total{kind=\"y\"} 3\na_total_more 7\nb 1\n";
        let sums = ["a_total", "b", "c"].map(|name| sum(metrics, name).expect("the metrics are well formed"));
        assert_eq!(sums, [5, 1, 0]);
    }
}
