//! The meter's ledger on disk: where each lease stands, its rollups, and what was published of it.
//!
//! One batch is one transaction, so a writer that is killed leaves the ledger as before or as after a batch. Two
//! stores keep the same promise and pass the same tests: a file of one's own ([`Location::File`]), and PostgreSQL. What
//! is kept survives its store only as far as it was published too: the meter goes on from whichever is newer.
#![warn(missing_docs)]

mod batch;
mod codec;
mod embedded;
mod location;
mod postgres;
mod retention;

use futures::future::BoxFuture;
use usage::rollup::Rollup;
use usage::verify::Hour;

pub use alloy_primitives::B256;
pub use batch::{Batch, Entry, Published, Rewind};
pub use codec::Malformed;
pub use embedded::Embedded;
pub use location::{InvalidLocation, Location, Secret};
pub use postgres::{Authority, Postgres};
pub use retention::{InvalidRetention, Retention};

/// A lease as it was kept last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The lease's id on chain.
    pub lease: B256,
    /// What the meter goes on from.
    pub state: Vec<u8>,
}

/// Rollups of one lease, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollups {
    /// Closed hours.
    pub hours: Vec<Hour>,
    /// Closed five minutes.
    pub fives: Vec<Rollup>,
}

/// Reads ledgers, also while they are written.
pub trait Reader: Send + Sync {
    /// Every lease that is kept, in the order of ids.
    fn kept(&self) -> BoxFuture<'_, Result<Vec<Kept>, Error>>;

    /// The rollups of a lease.
    fn rollups(&self, lease: B256) -> BoxFuture<'_, Result<Rollups, Error>>;

    /// What was published of a lease, oldest first.
    fn published(&self, lease: B256) -> BoxFuture<'_, Result<Vec<Published>, Error>>;

    /// The root of one publication, if it is kept.
    fn root(&self, lease: B256, sequence: u64) -> BoxFuture<'_, Result<Option<B256>, Error>>;
}

/// Keeps ledgers.
///
/// One writer at a time: opening a store again makes every earlier writer's next batch fail with
/// [`Error::Superseded`], or fails itself while the earlier one lives.
pub trait Store: Reader {
    /// Writes a batch in one transaction. The same batch again changes nothing.
    fn commit<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Error>>;

    /// Drops what is too old at this second, in one transaction.
    fn drop_old<'a>(&'a self, retention: &'a Retention, now: u64) -> BoxFuture<'a, Result<(), Error>>;
}

/// Opens a store to read it. Whoever writes it goes on.
pub async fn read(location: &Location) -> Result<Box<dyn Reader>, Error> {
    Ok(match location {
        Location::File(path) => Box::new(embedded::read(path).await?),
        Location::Postgres { url, password, authority } => {
            Box::new(postgres::read(url, password.as_ref(), authority.as_ref()).await?)
        }
    })
}

/// Opens a store, and makes its tables if it is new.
pub async fn open(location: &Location) -> Result<Box<dyn Store>, Error> {
    Ok(match location {
        Location::File(path) => Box::new(Embedded::open(path).await?),
        Location::Postgres { url, password, authority } => {
            Box::new(Postgres::open(url, password.as_ref(), authority.as_ref()).await?)
        }
    })
}

/// A store that did not do as it was told. Nothing of the batch was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened, read or written.
    #[error("failed to use the ledger's file")]
    File(#[source] redb::Error),
    /// The task that uses the file died.
    #[error("failed to finish with the ledger's file")]
    Task(#[source] tokio::task::JoinError),
    /// The database could not be reached, or refused.
    #[error("failed to use the ledger's database")]
    Database(#[source] tokio_postgres::Error),
    /// A secure connection could not be prepared.
    #[error("failed to prepare a secure connection to the ledger's database")]
    Tls(#[source] rustls::Error),
    /// The authority's file holds no certificate.
    #[error("the authority of the ledger's database holds no certificate that can be read")]
    NoAuthority,
    /// The URL cannot be understood.
    #[error(transparent)]
    Location(#[from] InvalidLocation),
    /// Somebody else opened this ledger since.
    #[error("another writer has opened this ledger since")]
    Superseded,
    /// What stands in the store cannot be read.
    #[error("failed to read what the ledger holds")]
    Malformed(#[from] Malformed),
    /// The ledger was written by a newer version.
    #[error("the ledger has format {found}, and this version writes format {expected}")]
    Format {
        /// What stands there.
        found: u64,
        /// What is written.
        expected: u64,
    },
}

/// The layout of both stores. That of 1 differs in that no record tells lives: it is read, and becomes this one once it is
/// opened to be written.
const FORMAT: u64 = 2;
