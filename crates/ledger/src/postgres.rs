//! The ledger in PostgreSQL, for providers that keep it elsewhere or for years.

mod connection;
mod rows;

use std::time::Duration;

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::{Client, Config};

pub use self::connection::Authority;
use self::rows::Number;
use crate::{
    B256, Batch, Error, FORMAT, Kept, Published, Reader, Retention, Rollups, Secret, Store, location,
};

/// How long a database may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a ledger's database, made again when it was lost.
#[derive(Debug)]
pub(crate) struct Connection {
    config: Config,
    authority: Option<Authority>,
    client: Mutex<Client>,
}

/// A ledger in a database.
#[derive(Debug)]
pub struct Postgres {
    connection: Connection,
    /// Our number among the writers of this ledger: only the newest may write.
    writer: i64,
}

/// Connects to read. Nobody is superseded.
pub(crate) async fn read(
    url: &str,
    password: Option<&Secret>,
    authority: Option<&Authority>,
) -> Result<Connection, Error> {
    let connection = Connection::open(url, password, authority).await?;
    {
        let client = connection.client().await?;
        let row = client.query_one("SELECT format FROM meter.ledger", &[]).await.map_err(Error::Database)?;
        check_format(row.try_get(0).map_err(Error::Database)?)?;
    }
    Ok(connection)
}

fn check_format(found: Number) -> Result<(), Error> {
    match found.0 {
        1..=FORMAT => Ok(()),
        found => Err(Error::Format { found, expected: FORMAT }),
    }
}

impl Connection {
    async fn open(
        url: &str,
        password: Option<&Secret>,
        authority: Option<&Authority>,
    ) -> Result<Self, Error> {
        let mut config = location::config(url, authority.is_some())?;
        config.connect_timeout(CONNECT_TIMEOUT).application_name("leasehold-meter");
        if let Some(password) = password {
            config.password(password.reveal());
        }
        let client = connection::connect(&config, authority).await?;
        Ok(Self { config, authority: authority.cloned(), client: Mutex::new(client) })
    }

    async fn client(&self) -> Result<MutexGuard<'_, Client>, Error> {
        let mut client = self.client.lock().await;
        if client.is_closed() {
            *client = connection::connect(&self.config, self.authority.as_ref()).await?;
        }
        Ok(client)
    }
}

impl Postgres {
    /// Connects, makes what tables are missing, and becomes the ledger's only writer.
    pub async fn open(
        url: &str,
        password: Option<&Secret>,
        authority: Option<&Authority>,
    ) -> Result<Self, Error> {
        let connection = Connection::open(url, password, authority).await?;
        let mut client = connection.client().await?;
        let transaction = client.transaction().await.map_err(Error::Database)?;
        // Two that open a new ledger at once would both make its tables.
        transaction.batch_execute("SELECT pg_advisory_xact_lock(7234801)").await.map_err(Error::Database)?;
        transaction.batch_execute(include_str!("postgres/schema.sql")).await.map_err(Error::Database)?;
        let opened = "UPDATE meter.ledger SET writer = writer + 1 RETURNING format, writer";
        let row = transaction.query_one(opened, &[]).await.map_err(Error::Database)?;
        check_format(row.try_get(0).map_err(Error::Database)?)?;
        let writer = row.try_get(1).map_err(Error::Database)?;
        let written = "UPDATE meter.ledger SET format = $1";
        transaction.execute(written, &[&Number(FORMAT)]).await.map_err(Error::Database)?;
        transaction.commit().await.map_err(Error::Database)?;
        drop(client);
        Ok(Self { connection, writer })
    }

    /// Does something in one transaction, unless another writer has come since.
    async fn write(&self, write: Write<'_>) -> Result<(), Error> {
        let mut client = self.connection.client().await?;
        let transaction = client.transaction().await.map_err(Error::Database)?;
        let newest = "SELECT writer FROM meter.ledger FOR UPDATE";
        let row = transaction.query_one(newest, &[]).await.map_err(Error::Database)?;
        if row.try_get::<_, i64>(0).map_err(Error::Database)? != self.writer {
            return Err(Error::Superseded);
        }
        match write {
            Write::Batch(batch) => rows::put(&transaction, batch).await?,
            Write::DropOld(oldest) => rows::drop_old(&transaction, oldest).await?,
        }
        transaction.commit().await.map_err(Error::Database)
    }
}

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
enum Write<'a> {
    Batch(&'a Batch),
    DropOld(crate::retention::Oldest),
}

impl Reader for Connection {
    fn kept(&self) -> BoxFuture<'_, Result<Vec<Kept>, Error>> {
        async { rows::kept(&*self.client().await?).await }.boxed()
    }

    fn rollups(&self, lease: B256) -> BoxFuture<'_, Result<Rollups, Error>> {
        async move { rows::rollups(&*self.client().await?, lease).await }.boxed()
    }

    fn published(&self, lease: B256) -> BoxFuture<'_, Result<Vec<Published>, Error>> {
        async move { rows::published(&*self.client().await?, lease).await }.boxed()
    }

    fn root(&self, lease: B256, sequence: u64) -> BoxFuture<'_, Result<Option<B256>, Error>> {
        async move { rows::root(&*self.client().await?, lease, sequence).await }.boxed()
    }
}

impl Reader for Postgres {
    fn kept(&self) -> BoxFuture<'_, Result<Vec<Kept>, Error>> {
        self.connection.kept()
    }

    fn rollups(&self, lease: B256) -> BoxFuture<'_, Result<Rollups, Error>> {
        self.connection.rollups(lease)
    }

    fn published(&self, lease: B256) -> BoxFuture<'_, Result<Vec<Published>, Error>> {
        self.connection.published(lease)
    }

    fn root(&self, lease: B256, sequence: u64) -> BoxFuture<'_, Result<Option<B256>, Error>> {
        self.connection.root(lease, sequence)
    }
}

impl Store for Postgres {
    fn commit<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Error>> {
        self.write(Write::Batch(batch)).boxed()
    }

    fn drop_old<'a>(&'a self, retention: &'a Retention, now: u64) -> BoxFuture<'a, Result<(), Error>> {
        self.write(Write::DropOld(retention.oldest(now))).boxed()
    }
}
