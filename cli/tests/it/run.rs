//! Runs the binary in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chain::HotKey;

/// A home folder and nothing inherited.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Sandbox { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    /// Starts the binary and lets it run.
    pub(crate) fn start(&self, args: &[&str]) -> std::process::Child {
        Command::new(env!("CARGO_BIN_EXE_leasehold"))
            .args(args)
            .env_clear()
            .env("LEASEHOLD_HOME", self.path("home"))
            .current_dir(self.folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub(crate) fn run_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Ran {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_leasehold"))
            .args(args)
            .env_clear()
            .envs(environment.iter().copied())
            .env("LEASEHOLD_HOME", self.path("home"))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes a key as the binary wants it.
pub(crate) fn write_key(sandbox: &Sandbox, name: &str, key: &HotKey) {
    use std::os::unix::fs::PermissionsExt;
    sandbox.write(name, &key.expose(|bytes| alloy_primitives::hex::encode(bytes)));
    std::fs::set_permissions(sandbox.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}
