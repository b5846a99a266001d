//! Child processes: commands that run to their end, and daemons that outlive this program.
//!
//! A daemon is known by its pid *and* its start time, as `/proc` shows them, so a pid that the system has given to
//! somebody else since is never taken for ours.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often something outside this program is asked whether it has changed.
const POLL: Duration = Duration::from_millis(50);

/// A process as `/proc/PID/stat` tells it apart from all others since the machine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pid: i32,
    start_time: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    identity: Identity,
    state: char,
}

impl Identity {
    /// The identity of a running process, or nothing if there is none of that pid.
    pub(crate) fn of_pid(pid: i32) -> Option<Self> {
        let stat = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        (stat.state != 'Z').then_some(stat.identity)
    }

    /// Reads the record that a daemon wrote when it started.
    pub(crate) fn read(record: &Path) -> Option<Self> {
        Some(parse_stat(&fs::read_to_string(record).ok()?)?.identity)
    }

    /// The process's number.
    pub(crate) fn pid(self) -> i32 {
        self.pid
    }

    /// Whether this very process still runs; a zombie does not.
    pub(crate) fn is_alive(self) -> bool {
        Self::of_pid(self.pid) == Some(self)
    }

    /// Ends the process without giving it a chance to do anything.
    pub(crate) fn kill(self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        let gone = poll(Duration::from_secs(10), || Ok((!self.is_alive()).then_some(())))?;
        gone.with_context(|| format!("process {} does not end", self.pid))
    }

    /// Sends a signal; it is no error if the process has ended already.
    fn signal(self, signal: Signal) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("failed to end process {}", self.pid)),
        }
    }

    /// Ends the process: politely, then by force after `patience`. It is no error if it has ended already.
    pub(crate) fn end(self, patience: Duration) -> Result<()> {
        for (signal, patience) in [(Signal::SIGTERM, patience), (Signal::SIGKILL, Duration::from_secs(10))] {
            if !self.is_alive() {
                return Ok(());
            }
            self.signal(signal)?;
            if poll(patience, || Ok((!self.is_alive()).then_some(())))?.is_some() {
                return Ok(());
            }
        }
        bail!("process {} does not end", self.pid)
    }
}

/// Parses `/proc/PID/stat`: the command name is in brackets and may itself hold brackets and spaces.
fn parse_stat(text: &str) -> Option<Stat> {
    let pid = text.split(' ').next()?.parse().ok()?;
    let rest: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let state = rest.first()?.chars().next()?;
    // The state is field 3 of the line and the start time field 22.
    let start_time = rest.get(19)?.parse().ok()?;
    Some(Stat { identity: Identity { pid, start_time }, state })
}

/// A daemon to start.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Daemon {
    /// A daemon of that name which runs `program`.
    pub(crate) fn new(name: &'static str, program: impl Into<PathBuf>) -> Self {
        Self { name, program: program.into(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets variables of its environment.
    pub(crate) fn envs(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Starts it in a session of its own. It records its identity before it becomes the program, so even if this
    /// program is ended in between no process is left that the record does not name.
    pub(crate) fn start(self, records: &Path, logs: &Path) -> Result<Running> {
        const RECORD_AND_BECOME: &str = r#"read -r stat </proc/$$/stat && printf '%s\n' "$stat" >"$0.new" && mv "$0.new" "$0" && exec "$@""#;
        let Self { name, program, arguments, environment } = self;
        let record = record_path(records, name);
        let log = logs.join(format!("{name}.log"));
        let output = fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("failed to open {}", log.display()))?;
        let child = Command::new("setsid")
            .args(["sh", "-c", RECORD_AND_BECOME])
            .arg(&record)
            .arg(&program)
            .args(arguments)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        Ok(Running { name, child, log })
    }
}

/// Where a daemon's record lies.
pub(crate) fn record_path(records: &Path, name: &str) -> PathBuf {
    records.join(format!("{name}.stat"))
}

/// A daemon that this program started.
#[derive(Debug)]
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Waits until `probe` succeeds; fails at once, with the end of the log, if the daemon ends before.
    pub(crate) fn wait_until(&mut self, patience: Duration, probe: impl Fn() -> Result<()>) -> Result<()> {
        let mut last = None;
        let ready = poll(patience, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}):\n{}", self.name, tail(&self.log));
            }
            match probe() {
                Ok(()) => Ok(Some(())),
                Err(error) => {
                    last = Some(error);
                    Ok(None)
                }
            }
        })?;
        match (ready, last) {
            (Some(()), _) => Ok(()),
            (None, Some(error)) => {
                Err(error.context(format!("{} is not ready:\n{}", self.name, tail(&self.log))))
            }
            (None, None) => bail!("{} is not ready:\n{}", self.name, tail(&self.log)),
        }
    }
}

/// Asks until there is an answer or the time is over.
pub(crate) fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(POLL);
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    const LINES: usize = 15;
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Runs a command to its end and returns what it printed; fails with what it complained about.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_os_string();
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to run {}", Path::new(&name).display()))?;
    ensure!(
        done.status.success(),
        "{} failed ({}):\n{}",
        shown(command),
        done.status,
        String::from_utf8_lossy(&done.stderr).trim_end()
    );
    String::from_utf8(done.stdout)
        .with_context(|| format!("{} printed something that is not text", Path::new(&name).display()))
}

/// Runs a command to its end with the given text as its input.
pub(crate) fn output_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    use std::io::{Read, Write};
    let file = {
        let mut file = tempfile::tempfile()?;
        file.write_all(input)?;
        std::io::Seek::rewind(&mut file)?;
        file
    };
    let mut child = command
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to run {}", shown(command)))?;
    let mut complaints = child.stderr.take().context("the child has no standard error")?;
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        complaints.read_to_end(&mut text).map(|_| text)
    });
    let mut text = String::new();
    child.stdout.take().context("the child has no standard output")?.read_to_string(&mut text)?;
    let complaints =
        reader.join().map_err(|_| anyhow::anyhow!("the reader of standard error ended early"))??;
    let status = child.wait()?;
    ensure!(
        status.success(),
        "{} failed ({status}):\n{}",
        shown(command),
        String::from_utf8_lossy(&complaints).trim_end()
    );
    Ok(text)
}

/// Whether a program can be found on the path.
pub(crate) fn is_on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

/// Where a program lies that is named without a directory.
pub(crate) fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (a) b (c) S 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 987654 1234 56 18446744073709551615 1 1 0";

    #[test]
    fn a_stat_line_is_read_past_brackets_in_the_command_name() {
        let expected = Stat { identity: Identity { pid: 4242, start_time: 987_654 }, state: 'S' };
        assert_eq!(parse_stat(STAT), Some(expected));
    }

    #[test]
    fn a_cut_stat_line_is_no_identity() {
        assert_eq!(parse_stat("4242 (sh) S 1 2"), None);
    }

    #[test]
    fn a_pid_that_was_given_to_another_process_is_not_ours() {
        let own = Identity::of_pid(std::process::id().cast_signed()).unwrap();
        let stale = Identity { start_time: own.start_time - 1, ..own };
        assert_eq!((own.is_alive(), stale.is_alive()), (true, false));
        // Must not end the test's own process.
        stale.end(Duration::ZERO).unwrap();
    }

    #[test]
    fn a_daemon_is_recorded_and_ended() {
        let directory = tempfile::tempdir().unwrap();
        let record = record_path(directory.path(), "sleeper");
        let mut running =
            Daemon::new("sleeper", "sleep").args(["60"]).start(directory.path(), directory.path()).unwrap();
        let recorded = || Identity::read(&record).context("not recorded yet").map(|_| ());
        running.wait_until(Duration::from_secs(10), recorded).unwrap();
        let identity = Identity::read(&record).unwrap();
        assert!(identity.is_alive());
        identity.end(Duration::from_secs(10)).unwrap();
        assert!(!identity.is_alive());
    }

    #[test]
    fn a_daemon_that_ends_early_fails_the_wait_with_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let daemon = Daemon::new("broken", "sh").args(["-c", "echo no such disk; exit 3"]);
        let mut running = daemon.start(directory.path(), directory.path()).unwrap();
        let error = running.wait_until(Duration::from_secs(10), || bail!("never")).unwrap_err();
        assert_eq!(error.to_string(), "broken ended (exit status: 3):\nno such disk");
    }
}
