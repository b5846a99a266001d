//! The lease's credentials for private registries, for its kubelets alone: one Secret, which only the pods that need it name.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{LocalObjectReference, Secret},
};
use manifest::{Credentials, Service};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::metadata;
use crate::lease_controller::validate::Validated;

/// Name of the Secret. A service's own ends with `-env`, so none can have this name.
pub const NAME: &str = "image-pull";
/// The only type and key that kubelets read.
const TYPE: &str = "kubernetes.io/dockerconfigjson";
const KEY: &str = ".dockerconfigjson";

/// The Secret, unless the manifest has no credentials.
pub fn build(lease: &Validated) -> Option<Secret> {
    let registries = lease.manifest.registries();
    if registries.is_empty() {
        return None;
    }
    let auths: BTreeMap<&str, serde_json::Value> = registries
        .iter()
        .map(|(host, credentials)| {
            let Credentials { username, password } = credentials;
            (
                key(host),
                json!({"username": username, "password": password.expose(), "auth": auth(credentials)}),
            )
        })
        .collect();
    let document = json!({"auths": auths}).to_string().into_bytes();
    Some(Secret {
        metadata: metadata(lease, NAME),
        type_: Some(TYPE.to_owned()),
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(document))])),
        ..Secret::default()
    })
}

/// What the pods of a service name: nothing, unless its image's registry has credentials.
pub fn references(lease: &Validated, service: &Service) -> Option<Vec<LocalObjectReference>> {
    lease.manifest.credentials(&service.image).map(|_| vec![LocalObjectReference { name: NAME.to_owned() }])
}

/// A digest of the credentials, so that a change of them is seen. Bound to the lease, so that equal ones of two leases do not
/// look equal.
pub fn digest(lease: &Validated) -> Option<String> {
    let registries = lease.manifest.registries();
    if registries.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(lease.uid.as_bytes());
    for (host, credentials) in registries {
        for part in [host, &credentials.username, credentials.password.expose()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    Some(data_encoding::HEXLOWER.encode(&hash.finalize()))
}

/// `user:password` in the form of HTTP's basic authentication.
pub fn auth(credentials: &Credentials) -> String {
    let Credentials { username, password } = credentials;
    data_encoding::BASE64.encode(format!("{username}:{}", password.expose()).as_bytes())
}

/// Docker's hub has another name for kubelets than in references.
fn key(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
        host => host,
    }
}
