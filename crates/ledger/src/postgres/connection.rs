//! Connections, secure ones wherever they leave the machine.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;

/// The certificates that a server's must follow from.
#[derive(Clone, Debug)]
pub struct Authority(Arc<RootCertStore>);

impl Authority {
    /// Reads certificates in PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| Error::NoAuthority)?;
            roots.add(certificate).map_err(Error::Tls)?;
        }
        if roots.is_empty() {
            return Err(Error::NoAuthority);
        }
        Ok(Self(Arc::new(roots)))
    }
}

/// What every connection says first: a writer that hangs must not keep the next one out.
const LIMITS: &str = "SET statement_timeout = '60s'; SET lock_timeout = '20s'; \
                      SET idle_in_transaction_session_timeout = '20s'";

/// Connects. With an authority the server must prove that it is the named one; there is no way back to plain text.
pub(super) async fn connect(config: &Config, authority: Option<&Authority>) -> Result<Client, Error> {
    let client = match authority {
        Some(authority) => securely(config, authority).await?,
        None => {
            let mut config = config.clone();
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect(NoTls).await.map_err(Error::Database)?;
            tokio::spawn(drive(connection));
            client
        }
    };
    client.batch_execute(LIMITS).await.map_err(Error::Database)?;
    Ok(client)
}

async fn securely(config: &Config, authority: &Authority) -> Result<Client, Error> {
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::Tls)?
        .with_root_certificates(authority.0.clone())
        .with_no_client_auth();
    let mut config = config.clone();
    config.ssl_mode(SslMode::Require);
    let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await.map_err(Error::Database)?;
    tokio::spawn(drive(connection));
    Ok(client)
}

/// Moves bytes until the client is dropped or the connection dies. The client's next call tells the caller.
async fn drive<T>(connection: T)
where
    T: Future<Output = Result<(), tokio_postgres::Error>>,
{
    if let Err(error) = connection.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "lost the connection to the ledger");
    }
}
