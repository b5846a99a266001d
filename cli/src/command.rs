//! One file per subcommand. Each `run` reads, decides with pure code from elsewhere, acts, and prints one result.

pub(crate) mod agent;
pub(crate) mod auditor;
pub(crate) mod close;
pub(crate) mod countersign;
pub(crate) mod deploy;
pub(crate) mod dispute;
pub(crate) mod forward;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod manifest;
pub(crate) mod provider;
pub(crate) mod rewards;
pub(crate) mod status;
pub(crate) mod usage;
pub(crate) mod wallet;
