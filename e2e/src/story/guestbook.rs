//! The tenant's application, used through the lease as the tenant would.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::leasehold::text;
use crate::story::order::Opened;
use crate::world::World;

/// How long one answer of the application may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Writes an entry through the signed forwarder, reads all entries back, and returns the entry as the database kept it.
///
/// # Errors
/// When the entry that comes back is not the one that was written.
pub(super) async fn write_and_read(world: &World, opened: &Opened) -> Result<String> {
    let id = opened.lease_id.to_string();
    let (mut forwarder, told) =
        world.tenant.start(&["forward", &id, "web", "--listen", "127.0.0.1:0"]).await?;
    let outcome = entry(text(&told, "/url")?, &id).await;
    forwarder.kill().await.context("failed to end the forwarder")?;
    outcome
}

async fn entry(url: &str, lease_id: &str) -> Result<String> {
    let url = url.trim_end_matches('/');
    let client = reqwest::Client::builder().timeout(LIMIT).build()?;
    let message = format!("leased as {lease_id}");
    let written: Value = client
        .post(format!("{url}/entries"))
        .json(&json!({"name": "demo", "message": message}))
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let entries: Vec<Value> =
        client.get(format!("{url}/entries")).send().await?.error_for_status()?.json().await?;
    let read =
        entries.iter().find(|entry| entry["id"] == written["id"]).context("the entry did not come back")?;
    anyhow::ensure!(read["message"] == message.as_str(), "another message came back: {read}");
    Ok(read.to_string())
}
