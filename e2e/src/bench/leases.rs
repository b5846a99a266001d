//! The leases of the load: one service with one port that its tenant reaches, as the agent would write them.

use anyhow::Result;
use crd::{
    ChainRef, ComputeLease, ComputeLeaseSpec, DesiredState, LeaseName, ManifestRef, PreviousManifest,
    ResourceLimits, TierName, convert, labels,
};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use manifest::ValidManifest;
use market::{B256, LeaseId};

/// The id of the lease with that number.
pub fn id(number: u32) -> LeaseId {
    let mut bytes = [0xb0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    LeaseId(B256::from(bytes))
}

/// The manifest's first revision or a later one, which differs in a variable only.
///
/// # Errors
/// Never for the text that is here, unless the manifest's rules change.
pub fn manifest(revision: i64) -> Result<ValidManifest> {
    let text = format!(
        "
version: v1
name: load
duration: 1h
services:
  web:
    image: registry.example/web@sha256:{}
    env: {{REVISION: \"{revision}\"}}
    resources: {{cpu: 100m, memory: 64Mi}}
    ports: [{{port: 8080, expose: tenant}}]
    runAsUser: 10001
",
        "1".repeat(64)
    );
    let document = manifest::parse(&text, "load.yaml").map_err(|error| anyhow::anyhow!("{error:?}"))?;
    manifest::validate(&document).map_err(|problems| anyhow::anyhow!("{problems:?}"))
}

/// The Secret that holds a revision of a lease's manifest.
pub fn secret(name: &LeaseName, revision: i64, manifest: &ValidManifest) -> Secret {
    let data = [
        (labels::MANIFEST_KEY.to_owned(), ByteString(manifest.canonical_json())),
        (labels::SALT_KEY.to_owned(), ByteString(convert::hex(salt().as_slice()).into_bytes())),
    ];
    Secret {
        metadata: ObjectMeta { name: Some(secret_name(name, revision)), ..ObjectMeta::default() },
        data: Some(data.into()),
        ..Secret::default()
    }
}

/// What `spec.manifest` says of a revision.
pub fn reference(name: &LeaseName, revision: i64, manifest: &ValidManifest) -> ManifestRef {
    ManifestRef { secret_name: secret_name(name, revision), hash: hash(manifest), revision, previous: None }
}

/// The same, with the revision that is gone back to if this one fails.
pub fn reference_after(
    name: &LeaseName,
    revision: i64,
    before: &ValidManifest,
    now: &ValidManifest,
) -> ManifestRef {
    let previous = PreviousManifest {
        secret_name: secret_name(name, revision - 1),
        hash: hash(before),
        revision: revision - 1,
    };
    ManifestRef { previous: Some(previous), ..reference(name, revision, now) }
}

/// The lease with that number.
///
/// # Errors
/// When the manifest asks for more than can be written.
pub fn lease(number: u32, manifest: &ValidManifest) -> Result<ComputeLease> {
    let id = id(number);
    let name = LeaseName::of(id);
    let spec = ComputeLeaseSpec {
        lease_id: id.to_string(),
        tenant: format!("0x{}", "2".repeat(40)),
        provider: format!("0x{}", "3".repeat(40)),
        chain: ChainRef { chain_id: 31_337, market: format!("0x{}", "4".repeat(40)) },
        tier: TierName::Strict,
        limits: ResourceLimits::try_from(&manifest.requirements().limits()?)?,
        manifest: Some(reference(&name, 1, manifest)),
        desired: DesiredState::Running,
        // Nothing is metered, so the operator's requests are the whole of it.
        term: None,
        settlement: None,
        suspension: None,
    };
    Ok(ComputeLease::new(name.as_str(), spec))
}

fn secret_name(name: &LeaseName, revision: i64) -> String {
    match revision {
        1 => name.manifest_secret(),
        later => format!("{}-{later}", name.manifest_secret()),
    }
}

fn hash(manifest: &ValidManifest) -> String {
    convert::hex(manifest::manifest_hash(&salt(), &manifest.canonical_json()).as_slice())
}

fn salt() -> B256 {
    B256::repeat_byte(0x5a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_have_manifests_secrets_and_hashes_of_their_own() {
        let name = LeaseName::of(id(7));
        let [first, second] = [1, 2].map(|revision| manifest(revision).expect("the manifest is valid"));
        let next = reference_after(&name, 2, &first, &second);
        let previous = next.previous.as_ref().expect("there is a revision before");
        assert_ne!((&next.hash, &next.secret_name), (&previous.hash, &previous.secret_name));
        assert_eq!(previous.secret_name, reference(&name, 1, &first).secret_name);
        assert_ne!(id(7).to_string(), id(8).to_string());
    }
}
