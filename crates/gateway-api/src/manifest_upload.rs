//! `PUT /v1/leases/{id}/manifest`.

use std::fmt;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// The manifest and what is needed to check it against the order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestUpload {
    /// Salt of the manifest hash.
    pub salt: B256,
    /// The canonical JSON, as text so that its bytes arrive unchanged.
    pub manifest: String,
}

/// The manifest holds secrets, so it is not printed.
impl fmt::Debug for ManifestUpload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ManifestUpload").field("manifest", &"<redacted>").finish_non_exhaustive()
    }
}

impl ManifestUpload {
    /// The hash that the order must carry.
    pub fn hash(&self) -> B256 {
        manifest::manifest_hash(&self.salt, self.manifest.as_bytes())
    }
}
