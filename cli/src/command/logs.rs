//! `leasehold logs`: a service's output, byte by byte as the provider sends it.

use std::io::Write;

use anyhow::Context as _;
use gateway_api::routes::{self, Follow};
use market::LeaseId;

use crate::context::Context;
use crate::exit::{Kind, Stop};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lease
    lease: LeaseId,
    /// The service
    service: String,
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
    /// Lines of the past
    #[arg(long, default_value_t = 100)]
    tail: u32,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { lease, service, follow, tail } = args;
    let service =
        service.parse().map_err(|error: manifest::ParseName| Stop::new(Kind::Usage, error.to_string()))?;
    let follow = if follow { Follow::Yes } else { Follow::No };
    let gateway = context.gateway(lease).await?;
    let mut response = gateway.logs(&routes::logs(lease, &service, follow, tail)).await?;
    let mut stdout = std::io::stdout();
    while let Some(chunk) = response.chunk().await.context("the provider ended the stream")? {
        if let Err(error) = stdout.write_all(&chunk).and_then(|()| stdout.flush()) {
            // A reader that has seen enough is not an error.
            return if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error.into()) };
        }
    }
    Ok(())
}
