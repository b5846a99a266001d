//! Where log lines go and what they look like. Called once, by the composition root.

use std::{fmt, io, str::FromStr};

use tracing_subscriber::{EnvFilter, fmt::Subscriber};

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for machines.
    Json,
}

impl LogFormat {
    /// Every form.
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|format| format.to_string() == text)
            .ok_or_else(|| Error::ParseFormat { text: text.to_owned() })
    }
}

/// Failures of the log setup.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a known form.
    #[error("unknown log format {text:?}, use text or json")]
    ParseFormat {
        /// What was given.
        text: String,
    },
    /// Not a filter.
    #[error("failed to parse log filter {text:?}")]
    ParseFilter {
        /// What was given.
        text: String,
        /// Cause.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logs were set up already.
    #[error("failed to install the log subscriber")]
    Install(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Sends log lines that pass `filter` (`info`, `warn,operator=debug`, ...) to standard error.
pub fn init(format: LogFormat, filter: &str) -> Result<(), Error> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| Error::ParseFilter { text: filter.to_owned(), source })?;
    let builder = Subscriber::builder().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    match format {
        LogFormat::Text => tracing::subscriber::set_global_default(builder.finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
        }
    }
    .map_err(Error::Install)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_back_as_they_are_written() {
        for format in LogFormat::ALL {
            assert_eq!(format.to_string().parse::<LogFormat>().unwrap(), format);
        }
        assert_eq!(
            "xml".parse::<LogFormat>().unwrap_err().to_string(),
            "unknown log format \"xml\", use text or json"
        );
    }
}
