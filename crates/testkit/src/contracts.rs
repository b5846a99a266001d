//! The contracts' folder, its tools, and its artifacts.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

/// The folder of the contracts in this repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

/// A Foundry tool: named by an environment variable, from the contracts' packages, or from `PATH`.
pub(crate) fn tool(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let packaged = folder().join(format!("node_modules/@foundry-rs/{name}-linux-amd64/bin/{name}"));
    if packaged.is_file() {
        return Ok(packaged);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("{name} is missing: run npm ci in contracts/, or set {variable}"))
}

/// Foundry's artifacts of the contracts, built if they are older than the sources.
pub fn artifacts() -> Result<PathBuf> {
    let folder = folder();
    let out = folder.join("out");
    // Tests run in several processes; one of them builds.
    let lock = File::create(std::env::temp_dir().join("leasehold-forge-build.lock"))?;
    lock.lock()?;
    if built_at(&out).is_none_or(|built| newest(&folder.join("src")).is_ok_and(|changed| changed > built)) {
        build(&["--skip", "*/test/**"])?;
        File::create(out.join(".built-for-tests"))?;
    }
    Ok(out)
}

/// The sources of what a deployment makes, and of the token for tests.
const DEPLOYED: [&str; 5] = [
    "src/LeaseMarket.sol",
    "src/RewardsDistributor.sol",
    "src/ProviderRegistry.sol",
    "src/deployment/Authority.sol",
    "src/test-token/TestUSD.sol",
];

/// Foundry's artifacts of the contracts with their guard in storage, for chains without EIP-1153.
pub fn storage_guard_artifacts() -> Result<PathBuf> {
    let folder = folder();
    let lock = File::create(std::env::temp_dir().join("leasehold-forge-build.lock"))?;
    lock.lock()?;
    let forge = tool("forge", "LEASEHOLD_FORGE")?;
    let built = Command::new(forge)
        .arg("build")
        .args(DEPLOYED)
        .env("FOUNDRY_PROFILE", "storage-guard")
        // The profile says so for our own contracts; the token for tests needs it too.
        .env("FOUNDRY_EVM_VERSION", "paris")
        .current_dir(&folder)
        .output()
        .context("failed to start forge")?;
    ensure!(built.status.success(), "forge build failed: {}", String::from_utf8_lossy(&built.stderr));
    Ok(folder.join("out-storage-guard"))
}

/// Runs `forge build` in the contracts' folder. It builds what has changed, where the arguments say.
pub fn build(arguments: &[&str]) -> Result<()> {
    let forge = tool("forge", "LEASEHOLD_FORGE")?;
    let built = Command::new(forge).arg("build").args(arguments).current_dir(folder()).output();
    let built = built.context("failed to start forge")?;
    ensure!(built.status.success(), "forge build failed: {}", String::from_utf8_lossy(&built.stderr));
    Ok(())
}

/// When the artifacts were last known to be complete.
fn built_at(out: &Path) -> Option<SystemTime> {
    let market = out.join("LeaseMarket.sol/LeaseMarket.json");
    let stamp = out.join(".built-for-tests");
    let written =
        [market.as_path(), stamp.as_path()].map(|path| path.metadata().and_then(|data| data.modified()).ok());
    written[0].and(written.into_iter().flatten().max())
}

fn newest(folder: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let changed = if path.is_dir() { self::newest(&path)? } else { path.metadata()?.modified()? };
        newest = newest.max(changed);
    }
    Ok(newest)
}
