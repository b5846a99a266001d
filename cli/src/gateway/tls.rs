//! Trust in a gateway's certificate: the registry's pin, or else the machine's certificate authorities.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

/// A client configuration that trusts one public key, whatever the certificate around it says.
pub(crate) fn pinned(pin: [u8; 32]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = PinVerifier { pin, provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
fn pin_of(certificate: &CertificateDer<'_>) -> Result<[u8; 32], Error> {
    let parsed = EndEntityCert::try_from(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(Sha256::digest(parsed.subject_public_key_info()).into())
}

/// Accepts the key whose hash stands in the registry. The chain vouches for it, so names, dates and issuers do not matter;
/// the handshake's signature still proves that the peer holds the key.
#[derive(Debug)]
struct PinVerifier {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if pin_of(end_entity)? == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData as _;

    use super::*;

    #[test]
    fn a_pin_is_the_hash_of_the_certificates_public_key_and_no_other_key_passes() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["gateway".into()]).unwrap().self_signed(&key).unwrap();
        let pin: [u8; 32] = Sha256::digest(key.subject_public_key_info()).into();
        assert_eq!(pin_of(certificate.der()), Ok(pin));

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verify = |pin| {
            let verifier = PinVerifier { pin, provider: provider.clone() };
            let name = ServerName::try_from("elsewhere").unwrap();
            verifier.verify_server_cert(certificate.der(), &[], &name, &[], UnixTime::now()).map(drop)
        };
        assert_eq!(verify(pin), Ok(()));
        let refused = Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        assert_eq!(verify([0; 32]), refused);
        let garbage = CertificateDer::from(vec![1, 2, 3]);
        assert_eq!(pin_of(&garbage), Err(Error::InvalidCertificate(CertificateError::BadEncoding)));
    }
}
