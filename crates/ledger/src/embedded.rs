//! The ledger in one file of redb's, which one process holds at a time.

use std::{path::Path, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use redb::{
    ConcurrencyMode, Database, ReadOnlyDatabase, ReadableDatabase, ReadableTable as _, TableDefinition,
    WriteTransaction,
};
use usage::rollup::Span;
use usage::verify::Hour;

use crate::{B256, Batch, Entry, Error, FORMAT, Kept, Published, Reader, Retention, Rollups, Store, codec};

/// A lease's id and a span's start or a publication's number.
type Place = (&'static [u8; 32], u64);

/// When it was cut, its root, whether a statement of it was signed, and the cut.
type CutRow = (u64, &'static [u8; 32], bool, &'static [u8]);

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// When it was written, and the state.
const LEASES: TableDefinition<'_, &[u8; 32], (u64, &[u8])> = TableDefinition::new("leases");
const FIVES: TableDefinition<'_, Place, &[u8]> = TableDefinition::new("fives");
const HOURS: TableDefinition<'_, Place, &[u8]> = TableDefinition::new("hours");
const PUBLISHED: TableDefinition<'_, Place, CutRow> = TableDefinition::new("published");
/// Enough for the branches of every table; the rest is the kernel's to cache.
const CACHE_BYTES: usize = 16 << 20;

/// A ledger in a file.
#[derive(Clone, Debug)]
pub struct Embedded<D = Database> {
    database: Arc<D>,
}

/// Opens a file to read it, whether or not somebody writes it.
pub(crate) async fn read(path: &Path) -> Result<Embedded<ReadOnlyDatabase>, Error> {
    let path = path.to_owned();
    let database = blocking(move || {
        let mut builder = Database::builder();
        let builder = builder.set_cache_size(CACHE_BYTES).set_concurrency_mode(ConcurrencyMode::SingleWriter);
        let database = builder.open_read_only(path).map_err(file)?;
        let transaction = database.begin_read().map_err(file)?;
        let found = transaction.open_table(META).map_err(file)?.get("format").map_err(file)?;
        match found.map_or(0, |found| found.value()) {
            1..=FORMAT => Ok(database),
            found => Err(Error::Format { found, expected: FORMAT }),
        }
    });
    Ok(Embedded { database: Arc::new(database.await?) })
}

impl Embedded {
    /// Opens a file, or makes it. Fails while another process holds it.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        let database = blocking(move || {
            let mut builder = Database::builder();
            let builder =
                builder.set_cache_size(CACHE_BYTES).set_concurrency_mode(ConcurrencyMode::SingleWriter);
            let database = builder.create(path).map_err(file)?;
            let transaction = database.begin_write().map_err(file)?;
            prepare(&transaction)?;
            transaction.commit().map_err(file)?;
            Ok(database)
        });
        Ok(Self { database: Arc::new(database.await?) })
    }

    fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), Error> + Send + 'static,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let database = self.database.clone();
        blocking(move || {
            let transaction = database.begin_write().map_err(file)?;
            write(&transaction)?;
            transaction.commit().map_err(file)
        })
        .boxed()
    }
}

impl<D: ReadableDatabase + Send + Sync + 'static> Embedded<D> {
    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, Error> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, Error>> {
        let database = self.database.clone();
        blocking(move || read(&database.begin_read().map_err(file)?)).boxed()
    }
}

impl<D: ReadableDatabase + Send + Sync + 'static> Reader for Embedded<D> {
    fn kept(&self) -> BoxFuture<'_, Result<Vec<Kept>, Error>> {
        self.read(|transaction| {
            let mut kept = Vec::new();
            for row in transaction.open_table(LEASES).map_err(file)?.iter().map_err(file)? {
                let (lease, value) = row.map_err(file)?;
                kept.push(Kept { lease: lease.value().into(), state: value.value().1.to_vec() });
            }
            Ok(kept)
        })
    }

    fn rollups(&self, lease: B256) -> BoxFuture<'_, Result<Rollups, Error>> {
        self.read(move |transaction| {
            let mut rollups = Rollups::default();
            for row in transaction.open_table(HOURS).map_err(file)?.range(all(&lease)).map_err(file)? {
                let closed = codec::read_closed(lease, Span::Hour, row.map_err(file)?.1.value())?;
                rollups.hours.push(Hour::from(closed));
            }
            for row in transaction.open_table(FIVES).map_err(file)?.range(all(&lease)).map_err(file)? {
                let closed = codec::read_closed(lease, Span::FiveMinutes, row.map_err(file)?.1.value())?;
                rollups.fives.push(closed.rollup);
            }
            Ok(rollups)
        })
    }

    fn published(&self, lease: B256) -> BoxFuture<'_, Result<Vec<Published>, Error>> {
        self.read(move |transaction| {
            let mut published = Vec::new();
            for row in transaction.open_table(PUBLISHED).map_err(file)?.range(all(&lease)).map_err(file)? {
                let (place, value) = row.map_err(file)?;
                let (at, _, _, cut) = value.value();
                published.push(Published {
                    sequence: place.value().1,
                    at,
                    cut: codec::read_cut(lease, cut)?,
                });
            }
            Ok(published)
        })
    }

    fn root(&self, lease: B256, sequence: u64) -> BoxFuture<'_, Result<Option<B256>, Error>> {
        self.read(move |transaction| {
            let published = transaction.open_table(PUBLISHED).map_err(file)?;
            let found = published.get((&lease.0, sequence)).map_err(file)?;
            Ok(found.map(|found| B256::from(found.value().1)))
        })
    }
}

impl Store for Embedded {
    fn commit<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Error>> {
        let Batch { at, entries } = batch.clone();
        self.write(move |transaction| entries.iter().try_for_each(|entry| put(transaction, at, entry)))
    }

    fn drop_old<'a>(&'a self, retention: &'a Retention, now: u64) -> BoxFuture<'a, Result<(), Error>> {
        let oldest = retention.oldest(now);
        self.write(move |transaction| {
            let mut fives = transaction.open_table(FIVES).map_err(file)?;
            fives.retain(|(_, start), _| start >= oldest.five).map_err(file)?;
            let mut hours = transaction.open_table(HOURS).map_err(file)?;
            hours.retain(|(_, start), _| start >= oldest.hour).map_err(file)?;
            let mut published = transaction.open_table(PUBLISHED).map_err(file)?;
            let is_young = |at, signed| at >= if signed { oldest.hour } else { oldest.unsigned };
            published.retain(|_, (at, _, signed, _)| is_young(at, signed)).map_err(file)?;
            let mut leases = transaction.open_table(LEASES).map_err(file)?;
            leases.retain(|_, (at, _)| at >= oldest.hour).map_err(file)
        })
    }
}

/// Makes the tables, and refuses a file of another format.
fn prepare(transaction: &WriteTransaction) -> Result<(), Error> {
    let mut meta = transaction.open_table(META).map_err(file)?;
    let found = meta.get("format").map_err(file)?.map(|found| found.value());
    match found {
        None | Some(1..=FORMAT) => meta.insert("format", FORMAT).map_err(file)?,
        Some(found) => return Err(Error::Format { found, expected: FORMAT }),
    };
    transaction.open_table(LEASES).map_err(file)?;
    transaction.open_table(FIVES).map_err(file)?;
    transaction.open_table(HOURS).map_err(file)?;
    transaction.open_table(PUBLISHED).map_err(file)?;
    Ok(())
}

fn put(transaction: &WriteTransaction, at: u64, entry: &Entry) -> Result<(), Error> {
    let lease = &entry.lease.0;
    let mut fives = transaction.open_table(FIVES).map_err(file)?;
    let mut hours = transaction.open_table(HOURS).map_err(file)?;
    let mut published = transaction.open_table(PUBLISHED).map_err(file)?;
    if let Some(rewind) = &entry.rewind {
        fives.retain_in((lease, rewind.five)..=(lease, u64::MAX), |_, _| false).map_err(file)?;
        hours.retain_in((lease, rewind.hour)..=(lease, u64::MAX), |_, _| false).map_err(file)?;
        let later = (lease, rewind.sequence.saturating_add(1))..=(lease, u64::MAX);
        published.retain_in(later, |_, _| false).map_err(file)?;
    }
    for closed in &entry.closed {
        let table = match closed.rollup.span {
            Span::FiveMinutes => &mut fives,
            Span::Hour => &mut hours,
        };
        let bytes = codec::write_closed(closed);
        table.insert((lease, closed.rollup.start), bytes.as_slice()).map_err(file)?;
    }
    for Published { sequence, at, cut } in &entry.published {
        let (root, bytes) = (cut.root(), codec::write_cut(cut));
        let known = published.get((lease, *sequence)).map_err(file)?;
        let is_signed = known.is_some_and(|known| known.value().1 == &root.0 && known.value().2);
        published.insert((lease, *sequence), (*at, &root.0, is_signed, bytes.as_slice())).map_err(file)?;
    }
    if let Some(signed) = &entry.signed {
        let mut found = Vec::new();
        for row in published.range(all(&entry.lease)).map_err(file)? {
            let (place, value) = row.map_err(file)?;
            let (at, root, _, cut) = value.value();
            if root == &signed.0 {
                found.push((place.value().1, at, cut.to_vec()));
            }
        }
        for (sequence, at, cut) in found {
            let value = (at, &signed.0, true, cut.as_slice());
            published.insert((lease, sequence), value).map_err(file)?;
        }
    }
    let mut leases = transaction.open_table(LEASES).map_err(file)?;
    leases.insert(lease, (at, entry.state.as_slice())).map_err(file)?;
    Ok(())
}

/// Everything of one lease.
fn all(lease: &B256) -> std::ops::RangeInclusive<(&[u8; 32], u64)> {
    (&lease.0, 0)..=(&lease.0, u64::MAX)
}

fn file(error: impl Into<redb::Error>) -> Error {
    Error::File(error.into())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(Error::Task)?
}
