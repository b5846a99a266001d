//! What the tenant's machine remembers: `$LEASEHOLD_HOME`, or `~/.leasehold`.
//!
//! `leases/<lease id>.json` is written **before** the transaction that opens the lease, so that a command that is killed at
//! any point can be resumed with `leasehold deploy --resume LEASE`. It holds the session key and the salt;
//! `<lease id>.manifest.json` holds the manifest with its secrets; `<lease id>.signed.json` the newest statement signed;
//! `<lease id>.observed.json` what `leasehold agent` saw of the lease itself.
//! Losing all of them loses no money: the tenant's main key can close every lease, and the chain knows the terms.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, B256};
use anyhow::Context as _;
use chain::HotKey;
use gateway_api::{SignedStatementBody, StatementProposal};
use market::LeaseId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::exit::{Kind, Stop};
use crate::own_view::OwnView;
use crate::{key_file, private_file};

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

/// What must be known about a lease to talk to its provider.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LeaseRecord {
    pub(crate) lease_id: B256,
    pub(crate) order_hash: B256,
    pub(crate) chain_id: u64,
    pub(crate) market: Address,
    pub(crate) tenant: Address,
    pub(crate) provider: Address,
    /// The provider's gateway when the bid was accepted.
    pub(crate) gateway: String,
    /// Name in the manifest, for lists.
    pub(crate) name: String,
    pub(crate) salt: B256,
    #[serde(serialize_with = "write_key", deserialize_with = "read_key")]
    session_key: Zeroizing<String>,
}

fn write_key<S: serde::Serializer>(key: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key)
}

fn read_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// The newest statement that was signed, with the usage behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignedRecord {
    pub(crate) proposal: StatementProposal,
    pub(crate) signed: SignedStatementBody,
}

impl LeaseRecord {
    #[expect(clippy::too_many_arguments, reason = "a record of as many facts, made in one place")]
    pub(crate) fn new(
        lease_id: LeaseId,
        order_hash: B256,
        deployment: &chain::Deployment,
        tenant: Address,
        provider: Address,
        gateway: String,
        name: String,
        salt: B256,
        session_key: &HotKey,
    ) -> Self {
        LeaseRecord {
            lease_id: lease_id.0,
            order_hash,
            chain_id: deployment.chain_id,
            market: deployment.market,
            tenant,
            provider,
            gateway,
            name,
            salt,
            session_key: key_file::to_hex(session_key),
        }
    }

    pub(crate) fn session_key(&self) -> anyhow::Result<HotKey> {
        HotKey::from_hex(&self.session_key).context("the session key in the lease's record is damaged")
    }
}

impl Home {
    /// The folder that was asked for, or the one under the user's home.
    pub(crate) fn new(chosen: Option<PathBuf>) -> anyhow::Result<Self> {
        match chosen.or_else(|| std::env::home_dir().map(|home| home.join(".leasehold"))) {
            Some(path) => Ok(Home(path)),
            None => {
                Err(Stop::new(Kind::Usage, "there is no home folder").advise("set LEASEHOLD_HOME").into())
            }
        }
    }

    /// Remembers a lease before it is opened.
    pub(crate) fn save_lease(&self, record: &LeaseRecord, manifest: &[u8]) -> anyhow::Result<()> {
        let id = LeaseId(record.lease_id);
        private_file::create_folder(&self.leases())?;
        private_file::replace(&self.file(id, "manifest.json"), manifest)?;
        private_file::replace(&self.file(id, "json"), &serde_json::to_vec_pretty(record)?)
    }

    /// The record of a lease.
    pub(crate) fn lease(&self, id: LeaseId) -> anyhow::Result<LeaseRecord> {
        self.find_lease(id)?.ok_or_else(|| {
            Stop::new(Kind::NotFound, format!("this machine has no record of lease {id}"))
                .advise(format!(
                    "set LEASEHOLD_HOME to where it was opened; `leasehold close {id}` works without"
                ))
                .into()
        })
    }

    /// The record of a lease, if this machine has one.
    pub(crate) fn find_lease(&self, id: LeaseId) -> anyhow::Result<Option<LeaseRecord>> {
        read_json(&self.file(id, "json"))
    }

    /// The canonical manifest of a lease, if it is still kept.
    pub(crate) fn manifest(&self, id: LeaseId) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
        Ok(read(&self.file(id, "manifest.json"))?.map(Zeroizing::new))
    }

    /// Forgets the manifest and its secrets once the lease is closed.
    pub(crate) fn forget_manifest(&self, id: LeaseId) -> anyhow::Result<()> {
        match std::fs::remove_file(self.file(id, "manifest.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("failed to delete the lease's manifest")
            }
            _ => Ok(()),
        }
    }

    /// The newest statement signed for a lease.
    pub(crate) fn signed(&self, id: LeaseId) -> anyhow::Result<Option<SignedRecord>> {
        read_json(&self.file(id, "signed.json"))
    }

    /// Remembers a signature before it leaves this machine.
    pub(crate) fn save_signed(&self, id: LeaseId, record: &SignedRecord) -> anyhow::Result<()> {
        private_file::create_folder(&self.leases())?;
        private_file::replace(&self.file(id, "signed.json"), &serde_json::to_vec_pretty(record)?)
    }

    /// Waits until nobody else of this folder signs for the lease. Two that sign at the same time would each forget what the
    /// other has signed.
    pub(crate) async fn lock_signing(&self, id: LeaseId) -> anyhow::Result<File> {
        private_file::create_folder(&self.leases())?;
        let path = self.file(id, "lock");
        let locked = tokio::task::spawn_blocking(move || {
            let file = private_file::open_lock(&path)?;
            file.lock().with_context(|| format!("failed to lock {}", path.display()))?;
            Ok(file)
        });
        locked.await.context("failed to wait for a lock")?
    }

    /// Refuses a second agent: two would write over what each other saw, and race for the nonces of a key.
    pub(crate) fn lock_agent(&self) -> anyhow::Result<File> {
        private_file::create_folder(&self.0)?;
        let path = self.0.join("agent.lock");
        let file = private_file::open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                let stop = Stop::new(Kind::NotAllowed, "another agent watches the leases of this home");
                Err(stop.advise("end it first, or leave the watching to it").into())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("failed to lock {}", path.display()))
            }
        }
    }

    /// What this side saw of a lease itself; nothing if it never looked.
    pub(crate) fn observed(&self, id: LeaseId) -> anyhow::Result<OwnView> {
        Ok(read_json(&self.file(id, "observed.json"))?.unwrap_or_default())
    }

    /// Remembers what this side saw.
    pub(crate) fn save_observed(&self, id: LeaseId, view: &OwnView) -> anyhow::Result<()> {
        private_file::create_folder(&self.leases())?;
        private_file::replace(&self.file(id, "observed.json"), &serde_json::to_vec(view)?)
    }

    /// Every lease that this folder has a record of.
    pub(crate) fn lease_ids(&self) -> anyhow::Result<BTreeSet<LeaseId>> {
        let folder = self.leases();
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries.with_context(|| format!("failed to read {}", folder.display()))?,
        };
        let mut ids = BTreeSet::new();
        for entry in entries {
            let name = entry.with_context(|| format!("failed to read {}", folder.display()))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json")).map(str::parse);
            // Other files of a lease have a further suffix, which is no part of an id.
            if let Some(Ok(id)) = id {
                ids.insert(id);
            }
        }
        Ok(ids)
    }

    fn leases(&self) -> PathBuf {
        self.0.join("leases")
    }

    fn file(&self, id: LeaseId, suffix: &str) -> PathBuf {
        self.leases().join(format!("{id}.{suffix}"))
    }
}

fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let Some(content) = read(path)? else { return Ok(None) };
    // The cause is left out: it could quote the file, and the file holds keys.
    let value = serde_json::from_slice(&content);
    value.map(Some).map_err(|_| anyhow::anyhow!("{} is damaged", path.display()))
}
