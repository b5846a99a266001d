//! Flags of the network canary, and the commands that run inside its pods.

use std::net::IpAddr;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use manifest::ImageRef;
use tokio::time::Duration;

use crate::canary::{CanarySettings, dial};

/// Flags of `operator run` about the canary.
#[derive(Debug, Args)]
pub(super) struct CanaryArgs {
    /// Image with this binary as its entry point, from which the network canary is made; if left out, nothing proves that the
    /// cluster's network plug-in enforces policies.
    #[arg(long)]
    canary_image: Option<ImageRef>,
    /// Seconds between two proofs.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(60..=86_400), requires = "canary_image")]
    canary_period: u64,
}

impl CanaryArgs {
    /// The settings, if there is a canary.
    pub(super) fn settings(self) -> Option<CanarySettings> {
        let Self { canary_image, canary_period } = self;
        Some(CanarySettings { image: canary_image?, period: Duration::from_secs(canary_period) })
    }
}

/// What runs inside the canary's pods.
#[derive(Debug, Subcommand)]
pub(super) enum CanaryCommand {
    /// Accept connections until SIGTERM.
    Listen,
    /// Try connections and tell by the exit code what got through.
    Dial {
        /// Address of the listener.
        #[arg(long)]
        listener: IpAddr,
    },
}

impl CanaryCommand {
    /// Does it. The dialer ends the process with its word.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let shutdown = telemetry::shutdown::on_signal().context("failed to listen for signals")?;
        match self {
            Self::Listen => dial::listen(shutdown).await.context("failed to listen"),
            Self::Dial { listener } => {
                let word = tokio::select! {
                    word = dial::dial(listener) => word,
                    () = shutdown.cancelled() => return Ok(()),
                };
                std::process::exit(word.exit_code())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        canary: CanaryArgs,
    }

    fn parse(flags: &[&str]) -> Result<Option<CanarySettings>, clap::error::ErrorKind> {
        Flags::try_parse_from([&["operator"], flags].concat())
            .map(|flags| flags.canary.settings())
            .map_err(|error| error.kind())
    }

    #[test]
    fn there_is_a_canary_where_an_image_is_named() {
        let settings = |seconds| CanarySettings {
            image: "registry.example/operator:1".parse().unwrap(),
            period: Duration::from_secs(seconds),
        };
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&["--canary-image=registry.example/operator:1"]), Ok(Some(settings(3600))));
        assert_eq!(
            parse(&["--canary-image=registry.example/operator:1", "--canary-period=60"]),
            Ok(Some(settings(60)))
        );
        for flags in [
            &["--canary-image=operator"][..],
            &["--canary-image=registry.example/operator:1", "--canary-period=59"],
        ] {
            assert_eq!(parse(flags), Err(clap::error::ErrorKind::ValueValidation), "{flags:?}");
        }
        assert_eq!(parse(&["--canary-period=60"]), Err(clap::error::ErrorKind::MissingRequiredArgument));
    }
}
