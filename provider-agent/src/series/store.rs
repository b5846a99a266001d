//! The series in one file of redb's, which one process holds at a time.
//!
//! Each publication is the point of its five minutes and of its hour, until a newer one takes its place. Both are written
//! in one transaction, so a killed agent leaves the file as before or as after it, and the last five minutes of an hour
//! and the hour are the same point: dropping the one leaves the other.

use std::path::Path;
use std::sync::Arc;

use gateway_api::SERIES_STEP;
use market::{Address, B256, LeaseId, Timestamp, Usage};
use redb::{Database, ReadableDatabase as _, ReadableTable, TableDefinition, WriteTransaction};
use usage::{Totals, Used};

use super::{Error, Owners, Point, Seen};

/// A lease's id, and the first second of the time that a point stands for.
type Place = (&'static [u8; 32], u64);
/// When, the publication's number, what was allocated, what was used, and the root.
type Row = (u64, u64, [u128; 8], [u128; 4], &'static [u8; 32]);
/// The tenant, the session key, and the moment of the newest point.
type LeaseRow = (&'static [u8; 20], &'static [u8; 20], u64);

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const LEASES: TableDefinition<'_, &[u8; 32], LeaseRow> = TableDefinition::new("leases");
const FIVES: TableDefinition<'_, Place, Row> = TableDefinition::new("fives");
const HOURS: TableDefinition<'_, Place, Row> = TableDefinition::new("hours");
/// The layout of the file.
const FORMAT: u64 = 1;
/// Enough for the branches of every table; the rest is the kernel's to cache.
const CACHE_BYTES: usize = 16 << 20;
const HOUR: u64 = 3600;

/// How long points are kept, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Points of five minutes.
    pub fives: u64,
    /// Points of an hour, and leases of which nothing is published any more.
    pub hours: u64,
}

/// An open file.
#[derive(Clone)]
pub(super) struct Store(Arc<Database>);

impl Store {
    /// Opens the file or makes it; fails while another process holds it. One that nobody can read any more is moved out
    /// of the way, to `FILE.unreadable`, and the series begin anew.
    pub(super) fn open(file: &Path) -> Result<Self, Error> {
        match Self::open_as_it_is(file) {
            Err(error) if is_unreadable(&error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the usage series cannot be read and begin anew; the old file is kept beside it"
                );
                std::fs::rename(file, file.with_added_extension("unreadable")).map_err(Error::MoveAway)?;
                Self::open_as_it_is(file)
            }
            opened => opened,
        }
    }

    fn open_as_it_is(file: &Path) -> Result<Self, Error> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(file).map_err(failed)?;
        let transaction = database.begin_write().map_err(failed)?;
        {
            let mut meta = transaction.open_table(META).map_err(failed)?;
            let found = meta.get("format").map_err(failed)?.map_or(FORMAT, |found| found.value());
            if found != FORMAT {
                return Err(Error::Format { found, expected: FORMAT });
            }
            meta.insert("format", FORMAT).map_err(failed)?;
            transaction.open_table(LEASES).map_err(failed)?;
            transaction.open_table(FIVES).map_err(failed)?;
            transaction.open_table(HOURS).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(Self(Arc::new(database)))
    }

    /// Writes what was seen, in one transaction. Returns the leases whose totals went back: an older copy of the cluster
    /// was put back, so what those leases had used beyond it is not published any more and goes here, too.
    pub(super) fn write(&self, batch: &[Seen]) -> Result<Vec<LeaseId>, Error> {
        let transaction = self.0.begin_write().map_err(failed)?;
        let mut gone_back = Vec::new();
        for seen in batch {
            if put(&transaction, seen)? == Took::AndDroppedLater {
                gone_back.push(seen.lease);
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(gone_back)
    }

    /// Drops what is too old at this moment, in one transaction.
    pub(super) fn drop_old(&self, retention: Retention, now: Timestamp) -> Result<(), Error> {
        // Points of five minutes go by whole hours, so that what is left of an hour is all of it.
        let oldest_five = hour(now.0.saturating_sub(retention.fives));
        let oldest_hour = hour(now.0.saturating_sub(retention.hours));
        let transaction = self.0.begin_write().map_err(failed)?;
        {
            let mut leases = transaction.open_table(LEASES).map_err(failed)?;
            let mut fives = transaction.open_table(FIVES).map_err(failed)?;
            let mut hours = transaction.open_table(HOURS).map_err(failed)?;
            for lease in leases.iter().map_err(failed)? {
                let (lease, _) = lease.map_err(failed)?;
                let lease = lease.value();
                fives.retain_in((lease, 0)..(lease, oldest_five), |_, _| false).map_err(failed)?;
                hours.retain_in((lease, 0)..(lease, oldest_hour), |_, _| false).map_err(failed)?;
            }
            leases.retain(|_, (_, _, newest)| hour(newest) >= oldest_hour).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// Who may read a lease's series, if anything of it is kept.
    pub(super) fn owners(&self, lease: LeaseId) -> Result<Option<Owners>, Error> {
        let transaction = self.0.begin_read().map_err(failed)?;
        let leases = transaction.open_table(LEASES).map_err(failed)?;
        let found = leases.get(&lease.0.0).map_err(failed)?;
        Ok(found.map(|row| {
            let (tenant, signer, _) = row.value();
            Owners { tenant: Address::from(tenant), signer: Address::from(signer) }
        }))
    }

    /// Everything that is kept of a lease in the order of time: hours, then five minutes from the first hour on of which
    /// they are kept.
    pub(super) fn points(&self, lease: LeaseId) -> Result<Vec<Point>, Error> {
        let transaction = self.0.begin_read().map_err(failed)?;
        let fives = points(&transaction.open_table(FIVES).map_err(failed)?, lease)?;
        let mut points = points(&transaction.open_table(HOURS).map_err(failed)?, lease)?;
        if let Some(first) = fives.first() {
            points.retain(|point| point.as_of.0 < hour(first.as_of.0));
        }
        points.extend(fives);
        Ok(points)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Took {
    /// It is not newer than what is kept.
    Nothing,
    It,
    AndDroppedLater,
}

fn put(transaction: &WriteTransaction, seen: &Seen) -> Result<Took, Error> {
    let Seen { lease, owners: Owners { tenant, signer }, point } = seen;
    let Point { as_of, sequence, totals, meter_root } = point;
    let mut fives = transaction.open_table(FIVES).map_err(failed)?;
    let mut hours = transaction.open_table(HOURS).map_err(failed)?;
    // The point of its hour outlives that of its five minutes.
    let newest = newest(&hours, *lease)?;
    if newest.is_some_and(|newest| newest.as_of >= *as_of) {
        return Ok(Took::Nothing);
    }
    let goes_back = newest.is_some_and(|newest| !totals.is_at_least(&newest.totals));
    if goes_back {
        for table in [&mut fives, &mut hours] {
            table.retain_in(all(lease), |_, row| totals.is_at_least(&parse(row).totals)).map_err(failed)?;
        }
    }
    let Used { cpu_ns, memory_byte_seconds, network_rx_bytes, network_tx_bytes } = totals.used;
    let used = [cpu_ns, memory_byte_seconds, network_rx_bytes, network_tx_bytes];
    let row = (as_of.0, *sequence, totals.allocated.0, used, &meter_root.0);
    let five = as_of.0 - as_of.0 % SERIES_STEP;
    fives.insert((&lease.0.0, five), row).map_err(failed)?;
    hours.insert((&lease.0.0, hour(as_of.0)), row).map_err(failed)?;
    let mut leases = transaction.open_table(LEASES).map_err(failed)?;
    leases.insert(&lease.0.0, (&tenant.into_array(), &signer.into_array(), as_of.0)).map_err(failed)?;
    Ok(if goes_back { Took::AndDroppedLater } else { Took::It })
}

/// The newest point of a table.
fn newest(table: &impl ReadableTable<Place, Row>, lease: LeaseId) -> Result<Option<Point>, Error> {
    let newest = table.range(all(&lease)).map_err(failed)?.next_back().transpose().map_err(failed)?;
    Ok(newest.map(|(_, row)| parse(row.value())))
}

fn points(table: &impl ReadableTable<Place, Row>, lease: LeaseId) -> Result<Vec<Point>, Error> {
    let rows = table.range(all(&lease)).map_err(failed)?;
    rows.map(|row| Ok(parse(row.map_err(failed)?.1.value()))).collect()
}

fn parse((as_of, sequence, allocated, used, root): (u64, u64, [u128; 8], [u128; 4], &[u8; 32])) -> Point {
    let [cpu_ns, memory_byte_seconds, network_rx_bytes, network_tx_bytes] = used;
    let used = Used { cpu_ns, memory_byte_seconds, network_rx_bytes, network_tx_bytes };
    let totals = Totals { allocated: Usage(allocated), used };
    Point { as_of: Timestamp(as_of), sequence, totals, meter_root: B256::from(root) }
}

/// Everything of one lease.
fn all(lease: &LeaseId) -> std::ops::RangeInclusive<(&[u8; 32], u64)> {
    (&lease.0.0, 0)..=(&lease.0.0, u64::MAX)
}

/// The first second of a moment's hour.
fn hour(moment: u64) -> u64 {
    moment - moment % HOUR
}

/// Whether waiting for a better moment is in vain.
fn is_unreadable(error: &Error) -> bool {
    match error {
        Error::Format { .. } => true,
        Error::File(redb::Error::Io(error)) => error.kind() == std::io::ErrorKind::InvalidData,
        Error::File(error) => {
            matches!(
                error,
                redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) | redb::Error::RepairAborted
            )
        }
        Error::NotKept | Error::NotOpen | Error::MoveAway(_) | Error::Task(_) => false,
    }
}

fn failed(error: impl Into<redb::Error>) -> Error {
    Error::File(error.into())
}
