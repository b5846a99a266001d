//! The tenant's application, used through the lease as the tenant would.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::cluster::until;
use crate::leasehold::text;
use crate::story::order::Opened;
use crate::world::World;

/// How long one answer of the application may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Time between two requests of the steady visitor.
const PACE: Duration = Duration::from_millis(250);

/// A tenant's open forwarder to the web front end.
#[derive(Debug)]
pub(super) struct Door {
    forwarder: Child,
    url: String,
}

impl Door {
    /// Starts `leasehold forward` for the front end.
    ///
    /// # Errors
    /// When the command ends at once.
    pub(super) async fn open(world: &World, opened: &Opened) -> Result<Self> {
        let id = opened.lease_id.to_string();
        let (forwarder, told) =
            world.tenant.start(&["forward", &id, "web", "--listen", "127.0.0.1:0"]).await?;
        let url = text(&told, "/url")?.trim_end_matches('/').to_owned();
        Ok(Self { forwarder, url })
    }

    /// Ends the command.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub(super) async fn close(mut self) -> Result<()> {
        self.forwarder.kill().await.context("failed to end the forwarder")
    }

    /// Writes an entry, reads all entries back, and returns the entry as the database kept it.
    ///
    /// # Errors
    /// When the entry that comes back is not the one that was written.
    pub(super) async fn write_and_read(&self, message: &str) -> Result<Value> {
        let entry = json!({"name": "demo", "message": message});
        let written: Value = client()?
            .post(format!("{}/entries", self.url))
            .json(&entry)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let read = self.read().await?;
        let read = read
            .into_iter()
            .find(|entry| entry["id"] == written["id"])
            .context("the entry did not come back")?;
        anyhow::ensure!(read["message"] == message, "another message came back: {read}");
        Ok(read)
    }

    /// Reads until `entry` is among the entries; a gateway that has just started may refuse for a moment.
    ///
    /// # Errors
    /// When the entry does not come back in time.
    pub(super) async fn await_entry(&self, entry: &Value) -> Result<()> {
        until("reading the entry again", LIMIT, || async {
            match self.read().await {
                Ok(entries) => Ok(entries.contains(entry).then_some(())),
                Err(error) => {
                    println!("          not yet: {error:#}");
                    Ok(None)
                }
            }
        })
        .await
    }

    /// Reads all entries.
    ///
    /// # Errors
    /// When the front end or its database does not answer.
    pub(super) async fn read(&self) -> Result<Vec<Value>> {
        Ok(client()?.get(format!("{}/entries", self.url)).send().await?.error_for_status()?.json().await?)
    }

    /// Visits at a steady pace for ever, so that there is something to meter.
    ///
    /// # Errors
    /// When a visit fails.
    pub(super) async fn visit_steadily(&self) -> Result<()> {
        let client = client()?;
        let mut pace = tokio::time::interval(PACE);
        loop {
            pace.tick().await;
            client.get(format!("{}/", self.url)).send().await?.error_for_status()?.bytes().await?;
        }
    }
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().timeout(LIMIT).build()?)
}
