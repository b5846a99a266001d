//! The gateway's certificate: a configured one, or one of our own whose key is derived from the operator key.
//!
//! Tenants pin the key, not the certificate: the registry's uri carries `#pin-sha256=` of the SubjectPublicKeyInfo. Deriving the key makes the pin
//! survive restarts without storing anything; rotating the operator key rotates the pin with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::HotKey;
use data_encoding::BASE64URL_NOPAD;
use hkdf::Hkdf;
use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const INFO: &[u8] = b"leasehold gateway tls v1";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The derived key cannot be written down.
    #[error("failed to encode the derived TLS key")]
    EncodeKey(#[source] p256::pkcs8::Error),
    /// The derived public key cannot be written down.
    #[error("failed to encode the derived TLS public key")]
    EncodePublicKey(#[source] p256::pkcs8::spki::Error),
    /// The certificate cannot be made.
    #[error("failed to make a certificate for {host}")]
    MakeCertificate {
        /// The host of the public URL.
        host: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A configured file cannot be read.
    #[error("failed to read {}", path.display())]
    ReadPem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not work together.
    #[error("failed to configure TLS")]
    Configure(#[source] rustls::Error),
}

/// The TLS identity that is derived from an operator key.
pub struct DerivedIdentity {
    key: SecretKey,
}

impl DerivedIdentity {
    /// HKDF-SHA256 of the operator key; the counter is raised in the one case in 2^32 that is not a scalar of the curve.
    pub fn new(operator: &HotKey) -> Self {
        let kdf = operator.expose(|secret| Hkdf::<Sha256>::new(None, secret));
        for counter in 0..=u8::MAX {
            let mut candidate = Zeroizing::new([0; 32]);
            kdf.expand_multi_info(&[INFO, &[counter]], candidate.as_mut_slice())
                .expect("32 bytes are one block of SHA-256");
            if let Ok(key) = SecretKey::from_slice(candidate.as_slice()) {
                return Self { key };
            }
        }
        unreachable!("256 candidates in a row outside the scalars of the curve: one chance in 2^8192")
    }

    /// What tenants pin: base64url of the SHA-256 of the SubjectPublicKeyInfo.
    pub fn pin(&self) -> Result<String, Error> {
        let spki = self.key.public_key().to_public_key_der().map_err(Error::EncodePublicKey)?;
        Ok(BASE64URL_NOPAD.encode(&Sha256::digest(spki.as_bytes())))
    }

    /// A self-signed certificate for `host`.
    pub fn server_config(&self, host: &str) -> Result<ServerConfig, Error> {
        let pkcs8 = self.key.to_pkcs8_der().map_err(Error::EncodeKey)?;
        let key = PrivatePkcs8KeyDer::from(pkcs8.as_bytes().to_vec());
        let make = || -> Result<_, rcgen::Error> {
            let pair = KeyPair::try_from(&key)?;
            let mut params = CertificateParams::new(vec![host.to_owned()])?;
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "Leasehold gateway");
            params.self_signed(&pair)
        };
        let certificate =
            make().map_err(|source| Error::MakeCertificate { host: host.to_owned(), source })?;
        server_config(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.clone_key()))
    }
}

/// A configured certificate chain and its key.
pub fn from_files(certificate: &Path, key: &Path) -> Result<ServerConfig, Error> {
    let read = |path: &Path, source| Error::ReadPem { path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| read(certificate, source))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| read(key, source))?;
    server_config(chain, private)
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::Configure)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(Error::Configure)?;
    // One version, whose connections have one bound for slow heads and for idleness.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> HotKey {
        HotKey::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn the_pin_is_stable_across_restarts_and_differs_by_key() {
        let pin = DerivedIdentity::new(&key(1)).pin().unwrap();
        assert_eq!(pin, DerivedIdentity::new(&key(1)).pin().unwrap());
        assert_ne!(pin, DerivedIdentity::new(&key(2)).pin().unwrap());
        // Written down once: a library update that changed the derivation would lock every tenant out.
        assert_eq!(pin, "fj27wu_fM0Qa9KN557CotS7-tYQNgGRmwWk86Ajfyfc");
    }

    #[test]
    fn the_derived_key_is_not_the_operator_key() {
        let operator = key(1);
        let derived = DerivedIdentity::new(&operator).key.to_bytes();
        operator.expose(|secret| assert_ne!(derived.as_slice(), secret));
    }

    #[test]
    fn a_certificate_is_made_for_names_and_addresses() {
        for host in ["gateway.example.net", "10.0.0.7", "::1"] {
            assert!(DerivedIdentity::new(&key(3)).server_config(host).is_ok(), "{host}");
        }
    }
}
