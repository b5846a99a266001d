//! What the images of a lease are: looked up once, when a manifest is accepted, and kept in the status.
//!
//! Look-ups run beside the reconciliations. A registry that a tenant chose may be slow on purpose, and must not hold up
//! the leases of others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crd::{Cause, ImageStatus, reason};
use k8s_openapi::api::core::v1::Node;
use manifest::{Credentials, ImageRef, ValidManifest};
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, time::Instant};

use super::build::EPHEMERAL_STORAGE_BYTES;
use crate::registry::{self, Description, Registry, document::Platform};

/// Look-ups at the same time, over all leases.
const MOST_LOOKUPS: usize = 16;
/// How long a failed look-up is believed.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Images in the status: those of the manifest, and as many that a roll-back may need.
const MOST_RECORDED: usize = 24;

/// An image that is not accepted. The text is shown to the tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("image {image}: {problem}")]
pub struct ImageRefused {
    /// The image as the manifest names it.
    image: String,
    /// What is wrong with it.
    problem: Problem,
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Lookup(LookupFailed),
    #[error("it has {bytes} bytes to download, but a replica's ephemeral storage has {allowed}")]
    TooLarge { bytes: u64, allowed: u64 },
    #[error("this provider looks no tags up; name the image by its digest: NAME@sha256:...")]
    Unpinned,
}

/// A failed look-up, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
struct LookupFailed {
    reason: &'static str,
    text: String,
}

impl From<registry::Error> for LookupFailed {
    fn from(error: registry::Error) -> Self {
        use registry::Error as E;
        let reason = match &error {
            E::NotAllowed(_) => reason::REGISTRY_NOT_ALLOWED,
            E::NotFound { .. } => Cause::ImageNotFound.as_str(),
            E::Denied { .. } => Cause::ImageAccessDenied.as_str(),
            E::NoPlatform { .. } | E::NoImage { .. } | E::OtherDigest { .. } => Cause::ImageInvalid.as_str(),
            E::Connect { .. } | E::Status { .. } | E::TooSlow => Cause::RegistryUnreachable.as_str(),
        };
        Self { reason, text: error.to_string() }
    }
}

impl ImageRefused {
    /// Reason of the condition `Accepted`.
    pub fn reason(&self) -> &'static str {
        match &self.problem {
            Problem::Lookup(failed) => failed.reason,
            Problem::TooLarge { .. } => reason::IMAGE_TOO_LARGE,
            Problem::Unpinned => reason::IMAGE_UNPINNED,
        }
    }
}

/// Where the images of a manifest stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Images {
    /// Every one is known; the list is what the status keeps.
    Known(Vec<ImageStatus>),
    /// Registries are being asked.
    Pending,
}

/// Look-ups of all leases, under way and done. Losing it (a restart) costs asking again.
#[derive(Debug)]
pub struct ImageBook {
    registry: Option<Registry>,
    running: Arc<Semaphore>,
    entries: Arc<Mutex<Entries>>,
}

/// By lease and image: one tenant's look-up tells another nothing. And by the credentials, so that others are tried at once.
type Entries = HashMap<Key, Entry>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    uid: String,
    image: String,
    credentials: Option<String>,
}

#[derive(Clone, Debug)]
enum Entry {
    Asking,
    Done { result: Result<Description, LookupFailed>, at: Instant },
}

impl ImageBook {
    /// A book that asks registries, or none if images are not looked up.
    pub fn new(registry: Option<Registry>) -> Self {
        Self { registry, running: Arc::new(Semaphore::new(MOST_LOOKUPS)), entries: Arc::default() }
    }

    /// What is known about the images of a manifest; asks for what is neither recorded nor known.
    pub fn settle(
        &self,
        uid: &str,
        manifest: &ValidManifest,
        recorded: &[ImageStatus],
        platforms: &[Platform],
    ) -> Result<Images, ImageRefused> {
        let mut known = Vec::new();
        let mut pending = false;
        for service in manifest.services().values() {
            let image = service.image.as_str();
            if known.iter().any(|status: &ImageStatus| status.image == image) {
                continue;
            }
            match recorded.iter().find(|status| status.image == image) {
                Some(status) => known.push(status.clone()),
                None => match self.look_up(
                    uid,
                    &service.image,
                    manifest.credentials(&service.image),
                    platforms,
                )? {
                    Some(status) => known.push(status),
                    None => pending = true,
                },
            }
        }
        if pending {
            return Ok(Images::Pending);
        }
        // What the status holds need not be remembered here.
        self.lock().retain(|key, _| {
            key.uid != uid
                || (known.iter().any(|status| status.image == key.image)
                    && !recorded.iter().any(|status| status.image == key.image))
        });
        if self.registry.is_none() {
            return Ok(Images::Known(recorded.to_vec()));
        }
        let older = recorded.iter().filter(|status| !known.contains(status)).cloned().collect::<Vec<_>>();
        known.extend(older);
        known.truncate(MOST_RECORDED);
        Ok(Images::Known(known))
    }

    /// Forgets what was asked for a lease.
    pub fn forget(&self, uid: &str) {
        self.lock().retain(|key, _| key.uid != uid);
    }

    fn look_up(
        &self,
        uid: &str,
        image: &ImageRef,
        credentials: Option<&Credentials>,
        platforms: &[Platform],
    ) -> Result<Option<ImageStatus>, ImageRefused> {
        let refused = |problem| ImageRefused { image: image.to_string(), problem };
        let Some(registry) = &self.registry else {
            // Without a look-up the digest is all that is known, and all that is needed to run the right bytes.
            let digest = image.digest().ok_or_else(|| refused(Problem::Unpinned))?;
            return Ok(Some(ImageStatus {
                image: image.to_string(),
                digest: digest.to_owned(),
                size_bytes: None,
            }));
        };
        let key = Key { uid: uid.to_owned(), image: image.to_string(), credentials: credentials.map(digest) };
        let entry = self.lock().get(&key).cloned();
        match entry {
            Some(Entry::Asking) => Ok(None),
            Some(Entry::Done { result: Ok(Description { digest, bytes }), .. }) => {
                if bytes > EPHEMERAL_STORAGE_BYTES {
                    return Err(refused(Problem::TooLarge { bytes, allowed: EPHEMERAL_STORAGE_BYTES }));
                }
                // Below the allowance, so it fits.
                let size_bytes = i64::try_from(bytes).ok();
                Ok(Some(ImageStatus { image: image.to_string(), digest, size_bytes }))
            }
            Some(Entry::Done { result: Err(failed), at }) if at.elapsed() < ASK_AGAIN => {
                Err(refused(Problem::Lookup(failed)))
            }
            Some(Entry::Done { .. }) | None => {
                let (registry, image) = (registry.clone(), image.clone());
                let (credentials, platforms) = (credentials.cloned(), platforms.to_vec());
                self.ask(
                    key,
                    async move { registry.describe(&image, credentials.as_ref(), &platforms).await },
                );
                Ok(None)
            }
        }
    }

    fn ask(
        &self,
        key: Key,
        question: impl Future<Output = Result<Description, registry::Error>> + Send + 'static,
    ) {
        self.lock().insert(key.clone(), Entry::Asking);
        let (entries, running) = (self.entries.clone(), self.running.clone());
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _turn = running.acquire_owned().await;
            let result = question.await.map_err(|error| {
                tracing::info!(
                    image = key.image,
                    error = &error as &dyn std::error::Error,
                    "image not described"
                );
                LookupFailed::from(error)
            });
            let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
            // A lease that was forgotten meanwhile stays so.
            if let Some(entry) = entries.get_mut(&key) {
                *entry = Entry::Done { result, at: Instant::now() };
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Each change is complete before the next can panic, so a poisoned lock is still good.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells credentials apart without keeping them.
fn digest(credentials: &Credentials) -> String {
    let mut hash = Sha256::new();
    for part in [credentials.username.as_str(), credentials.password.expose()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// Platforms of the nodes; where none is known yet, the most common one.
pub fn platforms(nodes: &[impl AsRef<Node>]) -> Vec<Platform> {
    let mut found: Vec<Platform> = nodes
        .iter()
        .filter_map(|node| node.as_ref().status.as_ref()?.node_info.as_ref())
        .map(|info| Platform { os: info.operating_system.clone(), architecture: info.architecture.clone() })
        .collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        found.push(Platform { os: "linux".to_owned(), architecture: "amd64".to_owned() });
    }
    found
}

#[cfg(test)]
mod tests;
