//! Over the network: a password, and a server that proves who it is.

use anyhow::ensure;
use ledger::{Authority, Error, Location, Secret};
use testkit::postgres::{Identity, PASSWORD, Server};

fn authority(identity: &Identity) -> anyhow::Result<Option<Authority>> {
    Ok(Some(Authority::from_pem(identity.certificate.as_bytes())?))
}

#[tokio::test]
async fn only_the_named_server_is_told_the_password_and_only_the_right_one_opens() -> anyhow::Result<()> {
    let identity = Identity::new()?;
    let server = Server::start(&identity)?;
    server.database("meter")?;
    let url = format!("postgres://postgres@localhost:{}/meter", server.port);
    let right = || Some(Secret::new(PASSWORD));
    let good = Location::parse(&url, right(), authority(&identity)?)?;
    ensure!(ledger::open(&good).await?.kept().await?.is_empty());

    let stranger = Location::parse(&url, right(), authority(&Identity::new()?)?)?;
    let refused = ledger::open(&stranger).await.err();
    ensure!(matches!(refused, Some(Error::Database(_))), "a foreign certificate was taken: {refused:?}");

    let by_address = format!("postgres://postgres@127.0.0.1:{}/meter", server.port);
    let other_name = Location::parse(&by_address, right(), authority(&identity)?)?;
    ensure!(ledger::open(&other_name).await.is_err(), "a certificate for another name was taken");

    let wrong = Location::parse(&url, Some(Secret::new("wrong")), authority(&identity)?)?;
    let refused = ledger::open(&wrong).await.err();
    let Some(Error::Database(cause)) = &refused else { anyhow::bail!("a wrong password opened it") };
    ensure!(cause.code() == Some(&tokio_postgres::error::SqlState::INVALID_PASSWORD));
    ensure!(!format!("{refused:?}").contains("wrong"));
    ensure!(matches!(Authority::from_pem(b"nothing"), Err(Error::NoAuthority)));
    Ok(())
}
