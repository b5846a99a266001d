//! A PostgreSQL of the test's own, with a role for each meter, which writes down who wrote the ledger when.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::cluster::until;
use ledger::Location;
use testkit::postgres::{Identity, Server};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

/// How long a meter may take to come to the database.
const PATIENCE: Duration = Duration::from_secs(60);
/// Every transaction of a meter that writes leases leaves a line, at the moment that it is committed or just before.
const AUDIT: &str = "
CREATE SCHEMA audit;
CREATE TABLE audit.writes (number bigserial, at timestamptz DEFAULT clock_timestamp(), who text DEFAULT session_user);
CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO audit.writes DEFAULT VALUES; RETURN NULL; END';
CREATE TRIGGER note AFTER INSERT OR UPDATE ON meter.leases FOR EACH STATEMENT EXECUTE FUNCTION audit.note();
";

/// The database. Dropping it ends it.
pub(super) struct Database {
    _server: Server,
    url: String,
    client: Client,
    _driven: JoinHandle<Result<(), tokio_postgres::Error>>,
}

/// Who wrote when, in the order of the database; moments are its microseconds.
#[derive(Debug)]
pub(super) struct Writes(Vec<(String, i64)>);

/// A transaction of the test's that keeps every writer waiting until it is dropped.
pub(super) struct Held {
    _client: Client,
    _driven: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Database {
    pub(super) async fn start(roles: &[&str]) -> Result<Self> {
        let server = Server::start(&Identity::new()?)?;
        let url = server.database("meters")?;
        // The ledger's tables are there before the first meter, so that its first write is noted.
        drop(ledger::open(&Location::parse(&url, None, None)?).await?);
        let (client, driven) = connect(&url).await?;
        client.batch_execute(AUDIT).await?;
        for role in roles {
            client.batch_execute(&format!("CREATE ROLE \"{role}\" SUPERUSER LOGIN")).await?;
        }
        Ok(Self { _server: server, url, client, _driven: driven })
    }

    /// Where a role finds the ledger.
    pub(super) fn url(&self, role: &str) -> String {
        self.url.replacen("postgres@", &format!("{role}@"), 1)
    }

    /// Where the test finds it.
    pub(super) fn location(&self) -> Result<Location> {
        Ok(Location::parse(&self.url, None, None)?)
    }

    pub(super) async fn now(&self) -> Result<i64> {
        let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        Ok(self.client.query_one(now, &[]).await?.try_get(0)?)
    }

    pub(super) async fn writes(&self) -> Result<Writes> {
        let select =
            "SELECT who, (extract(epoch FROM at) * 1000000)::bigint FROM audit.writes ORDER BY number";
        let rows = self.client.query(select, &[]).await?;
        let write = |row: &tokio_postgres::Row| -> Result<_> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        Ok(Writes(rows.iter().map(write).collect::<Result<_>>()?))
    }

    /// Waits until a role has written.
    pub(super) async fn wrote(&self, role: &str) -> Result<()> {
        until("the first write of another meter", PATIENCE, || async {
            Ok((!self.writes().await?.of(role).is_empty()).then_some(()))
        })
        .await
    }

    /// Keeps every writer waiting at the beginning of its next transaction.
    pub(super) async fn hold_writers(&self) -> Result<Held> {
        let (client, driven) = connect(&self.url).await?;
        client.batch_execute("BEGIN; SELECT writer FROM meter.ledger FOR UPDATE").await?;
        Ok(Held { _client: client, _driven: driven })
    }

    /// Waits until a role is in a transaction that waits for a lock.
    pub(super) async fn one_waits(&self, role: &str) -> Result<()> {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock'";
        until("a meter in its transaction", PATIENCE, || async {
            let count: i64 = self.client.query_one(waiting, &[&role]).await?.try_get(0)?;
            Ok((count > 0).then_some(()))
        })
        .await
    }
}

impl Writes {
    /// Moments at which a role wrote.
    pub(super) fn of(&self, role: &str) -> Vec<i64> {
        self.0.iter().filter(|(who, _)| who == role).map(|(_, at)| *at).collect()
    }

    /// Whether these wrote, each after the one before had written for the last time.
    pub(super) fn take_turns(&self, roles: &[&str]) -> bool {
        let mut turns: Vec<&str> = self.0.iter().map(|(who, _)| who.as_str()).collect();
        turns.dedup();
        turns == roles
    }
}

async fn connect(url: &str) -> Result<(Client, JoinHandle<Result<(), tokio_postgres::Error>>)> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("failed to connect to the test's database")?;
    Ok((client, tokio::spawn(connection)))
}
