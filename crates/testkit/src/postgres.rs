//! A private PostgreSQL: its own directory, user and socket, gone with its owner.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use tempfile::TempDir;

/// Password of the superuser over TCP.
pub const PASSWORD: &str = "correct horse";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server's certificate, which is its own authority, and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, for `localhost`.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Identity {
    /// Makes one.
    pub fn new() -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    process: Child,
    /// Where it listens on loopback.
    pub port: u16,
}

impl Server {
    /// Starts a server that proves itself by this.
    pub fn start(identity: &Identity) -> anyhow::Result<Self> {
        let Identity { certificate, key } = identity;
        let directory = tempfile::Builder::new().prefix("lh-pg").tempdir_in("/tmp")?;
        let bin = bin()?;
        let data = directory.path().join("data");
        write(&directory.path().join("password"), PASSWORD)?;
        own(directory.path())?;
        let made = as_user(&bin.join("initdb"))
            .args(["--no-sync", "--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"])
            .arg(format!("--pwfile={}", directory.path().join("password").display()))
            .arg("--pgdata")
            .arg(&data)
            .output()
            .context("failed to run initdb")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        write(&directory.path().join("server.crt"), certificate)?;
        write(&directory.path().join("server.key"), key)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let file = |name: &str| directory.path().join(name).display().to_string();
        let mut command = as_user(&bin.join("postgres"));
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", directory.path().display()),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", file("server.crt")),
            format!("ssl_key_file={}", file("server.key")),
        ] {
            command.args(["-c", &setting]);
        }
        let log = fs::File::create(directory.path().join("log"))?;
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Self { directory, process, port };
        server.wait(&bin)?;
        Ok(server)
    }

    /// A new database; returns its URL by the socket.
    pub fn database(&self, name: &str) -> anyhow::Result<String> {
        let made = Command::new(bin()?.join("createdb"))
            .args(["--username=postgres", "--port", &self.port.to_string(), "--host"])
            .arg(self.directory.path())
            .arg(name)
            .output()?;
        ensure!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
        let socket = self.directory.path().display().to_string().replace('/', "%2F");
        Ok(format!("postgres://postgres@{socket}:{}/{name}", self.port))
    }

    fn wait(&mut self, bin: &Path) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut ready = Command::new(bin.join("pg_isready"));
            ready.args(["--quiet", "--timeout=1", "--port", &self.port.to_string(), "--host"]);
            if ready.arg(self.directory.path()).status()?.success() {
                return Ok(());
            }
            let ended = self.process.try_wait()?;
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            ensure!(ended.is_none() && Instant::now() < until, "PostgreSQL did not start: {}", log());
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.process.id().cast_signed());
        // A fast shutdown; one that is gone already needs none.
        let _ = kill(pid, Signal::SIGINT);
        let _ = self.process.wait();
    }
}

/// Debian keeps the server's programs out of the path.
fn bin() -> anyhow::Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    places.sort();
    places.reverse();
    places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    places
        .into_iter()
        .find(|place| place.join("initdb").exists() && place.join("postgres").exists())
        .context("PostgreSQL's server is missing: install the package postgresql")
}

/// PostgreSQL refuses to run as root.
fn as_user(program: &Path) -> Command {
    match user() {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
            command.arg("--clear-groups").arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Somebody else, for root.
fn user() -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten())
}

fn own(path: &Path) -> anyhow::Result<()> {
    if let Some(user) = user() {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    own(path)
}
