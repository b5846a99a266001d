//! Where notices go: a line on standard output, and the ones that somebody should act on to a webhook.

use std::time::Duration;

use market::LeaseId;
use tokio::sync::mpsc;
use url::Url;

use super::notice::{Line, Notice};
use crate::gateway::now;
use crate::money::Money;
use crate::output::{Output, print_line};

/// How many notices may wait for a slow webhook. More are dropped, and said to be.
const WAITING: usize = 64;
/// How long a webhook may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Prints notices and hands them on.
#[derive(Debug)]
pub(crate) struct Outlet {
    output: Output,
    money: Money,
    webhook: Option<mpsc::Sender<String>>,
}

impl Outlet {
    /// An outlet, and the worker that serves the webhook until the outlet is gone.
    pub(crate) fn new(
        output: Output,
        money: Money,
        webhook: Option<Url>,
    ) -> anyhow::Result<(Self, impl Future<Output = ()>)> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let outlet = Outlet { output, money, webhook: webhook.as_ref().map(|_| sender) };
        Ok((outlet, serve(client, webhook, receiver)))
    }

    pub(crate) fn money(&self) -> &Money {
        &self.money
    }

    /// Says it once.
    pub(crate) fn tell(&self, lease: LeaseId, notice: &Notice) -> anyhow::Result<()> {
        let line = serde_json::to_string(&Line { time: now().0, lease_id: lease.0, notice })?;
        let text = match self.output {
            Output::Json => line.clone(),
            Output::Table => notice.text(lease, &self.money),
        };
        print_line(&text)?;
        let Some(webhook) = self.webhook.as_ref().filter(|_| notice.is_warning()) else { return Ok(()) };
        if webhook.try_send(line).is_err() {
            eprintln!("the webhook is too slow; it was not told of lease {lease}");
        }
        Ok(())
    }
}

async fn serve(client: reqwest::Client, url: Option<Url>, mut lines: mpsc::Receiver<String>) {
    let Some(url) = url else { return };
    while let Some(line) = lines.recv().await {
        let request = client.post(url.clone()).header(http::header::CONTENT_TYPE, "application/json");
        // The address may hold a secret.
        let sent = request.body(line).send().await.and_then(reqwest::Response::error_for_status);
        if let Err(error) = sent {
            eprintln!("the webhook failed: {:#}", anyhow::Error::new(error.without_url()));
        }
    }
}
