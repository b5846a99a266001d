//! Where a ledger is.

use std::{fmt, path::PathBuf};

use tokio_postgres::{Config, config::Host};

use crate::Authority;

/// Something that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it; white space around it is no part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where a ledger is.
#[derive(Clone, Debug)]
pub enum Location {
    /// A file.
    File(PathBuf),
    /// A database of PostgreSQL.
    Postgres {
        /// Host, user and database, never a password.
        url: String,
        /// The password, if there is one.
        password: Option<Secret>,
        /// Who vouches for the server; needed wherever the connection leaves the machine.
        authority: Option<Authority>,
    },
}

/// A location that cannot be used. Says nothing of what was written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocation {
    /// It is no URL of PostgreSQL.
    #[error("the ledger's URL cannot be read: write postgres://USER@HOST/DATABASE")]
    Unreadable,
    /// It holds a password.
    #[error("the ledger's URL holds a password, which everybody could read: keep it in a file of its own")]
    Password,
    /// It leaves the machine, and nobody vouches for the server.
    #[error("the ledger's database is on another machine: name the authority of its certificate")]
    NoAuthority,
}

impl Location {
    /// A URL of PostgreSQL, or else a path.
    pub fn parse(
        text: &str,
        password: Option<Secret>,
        authority: Option<Authority>,
    ) -> Result<Self, InvalidLocation> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        config(text, authority.is_some())?;
        Ok(Self::Postgres { url: text.to_owned(), password, authority })
    }
}

/// What a URL says, if it may be used.
pub(crate) fn config(url: &str, has_authority: bool) -> Result<Config, InvalidLocation> {
    let config: Config = url.parse().map_err(|_| InvalidLocation::Unreadable)?;
    if config.get_password().is_some() {
        return Err(InvalidLocation::Password);
    }
    let stays_here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
    };
    if config.get_hosts().is_empty() {
        return Err(InvalidLocation::Unreadable);
    }
    if !has_authority && !config.get_hosts().iter().all(stays_here) {
        return Err(InvalidLocation::NoAuthority);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_a_path() {
        let location = Location::parse("/var/lib/meter/ledger", None, None);
        assert!(matches!(location, Ok(Location::File(path)) if path.as_os_str() == "/var/lib/meter/ledger"));
    }

    #[test]
    fn a_password_in_the_url_a_stranger_and_nonsense_are_refused_without_being_shown() {
        for (url, expected) in [
            ("postgres://meter:hunter2@localhost/meter", InvalidLocation::Password),
            ("postgres://meter@db.example/meter", InvalidLocation::NoAuthority),
            ("postgres://meter@127.0.0.1:x/meter", InvalidLocation::Unreadable),
            ("postgres:///meter", InvalidLocation::Unreadable),
        ] {
            let refused = Location::parse(url, None, None).unwrap_err();
            assert_eq!(refused, expected, "{url}");
            assert!(!refused.to_string().contains("hunter2"));
        }
        assert!(Location::parse("postgres://meter@localhost/meter", None, None).is_ok());
    }

    #[test]
    fn a_secret_is_not_shown() {
        let location =
            Location::parse("postgres://m@localhost/m", Some(Secret::new(" hunter2\n")), None).unwrap();
        assert!(!format!("{location:?}").contains("hunter2"));
    }
}
