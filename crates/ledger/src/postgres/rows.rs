//! Rows of the ledger's tables.

use bytes::BytesMut;
use tokio_postgres::{
    Client, Transaction,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};
use usage::rollup::Span;
use usage::verify::Hour;

use crate::retention::Oldest;
use crate::{B256, Batch, Error, Kept, Published, Rollups, codec};

type Boxed = Box<dyn std::error::Error + Sync + Send>;

/// A number without a sign in a column that has one: moments and sequences never need the last bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub(super) u64);

impl Number {
    /// A bound from which rows go: one beyond every column is the last that a column holds.
    fn bound(bound: u64) -> Self {
        Self(bound.min(i64::MAX.cast_unsigned()))
    }
}

impl ToSql for Number {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        i64::try_from(self.0)?.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <i64 as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Number {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        Ok(Self(u64::try_from(i64::from_sql(ty, raw)?)?))
    }

    fn accepts(ty: &Type) -> bool {
        <i64 as FromSql<'_>>::accepts(ty)
    }
}

/// Writes a batch: a few statements, however many leases there are.
pub(super) async fn put(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), Error> {
    for entry in &batch.entries {
        let Some(rewind) = &entry.rewind else { continue };
        let lease = entry.lease.as_slice();
        let delete = "DELETE FROM meter.rollups WHERE lease = $1 AND span = $2 AND start >= $3";
        for (span, start) in [(Span::FiveMinutes, rewind.five), (Span::Hour, rewind.hour)] {
            execute(transaction, delete, &[&lease, &Number(span.seconds()), &Number::bound(start)]).await?;
        }
        let delete = "DELETE FROM meter.published WHERE lease = $1 AND sequence > $2";
        execute(transaction, delete, &[&lease, &Number::bound(rewind.sequence)]).await?;
    }
    put_rollups(transaction, batch).await?;
    put_published(transaction, batch).await?;
    for entry in &batch.entries {
        let Some(signed) = &entry.signed else { continue };
        let update = "UPDATE meter.published SET signed = true WHERE lease = $1 AND root = $2";
        execute(transaction, update, &[&entry.lease.as_slice(), &signed.as_slice()]).await?;
    }
    let leases: Vec<&[u8]> = batch.entries.iter().map(|entry| entry.lease.as_slice()).collect();
    let states: Vec<&[u8]> = batch.entries.iter().map(|entry| entry.state.as_slice()).collect();
    let insert = "INSERT INTO meter.leases (lease, at, state) \
                  SELECT lease, $2, state FROM unnest($1::bytea[], $3::bytea[]) AS new (lease, state) \
                  ON CONFLICT (lease) DO UPDATE SET at = excluded.at, state = excluded.state";
    execute(transaction, insert, &[&leases, &Number(batch.at), &states]).await
}

async fn put_rollups(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), Error> {
    let closed = || batch.entries.iter().flat_map(|entry| &entry.closed);
    let leases: Vec<&[u8]> = closed().map(|closed| closed.rollup.lease.as_slice()).collect();
    if leases.is_empty() {
        return Ok(());
    }
    let spans: Vec<Number> = closed().map(|closed| Number(closed.rollup.span.seconds())).collect();
    let starts: Vec<Number> = closed().map(|closed| Number(closed.rollup.start)).collect();
    let bodies: Vec<Vec<u8>> = closed().map(codec::write_closed).collect();
    let insert = "INSERT INTO meter.rollups (lease, span, start, body) \
                  SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[]) \
                  ON CONFLICT (lease, span, start) DO UPDATE SET body = excluded.body";
    execute(transaction, insert, &[&leases, &spans, &starts, &bodies]).await
}

async fn put_published(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), Error> {
    let published = || {
        batch
            .entries
            .iter()
            .flat_map(|entry| entry.published.iter().map(|published| (entry.lease, published)))
    };
    let leases: Vec<Vec<u8>> = published().map(|(lease, _)| lease.to_vec()).collect();
    if leases.is_empty() {
        return Ok(());
    }
    let sequences: Vec<Number> = published().map(|(_, published)| Number(published.sequence)).collect();
    let moments: Vec<Number> = published().map(|(_, published)| Number(published.at)).collect();
    let roots: Vec<Vec<u8>> = published().map(|(_, published)| published.cut.root().to_vec()).collect();
    let cuts: Vec<Vec<u8>> = published().map(|(_, published)| codec::write_cut(&published.cut)).collect();
    let insert = "INSERT INTO meter.published (lease, sequence, at, root, signed, cut) \
                  SELECT lease, sequence, at, root, false, cut \
                  FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[]) \
                  AS new (lease, sequence, at, root, cut) ON CONFLICT (lease, sequence) DO UPDATE \
                  SET at = excluded.at, root = excluded.root, cut = excluded.cut, \
                  signed = published.signed AND published.root = excluded.root";
    execute(transaction, insert, &[&leases, &sequences, &moments, &roots, &cuts]).await
}

pub(super) async fn drop_old(transaction: &Transaction<'_>, oldest: Oldest) -> Result<(), Error> {
    let delete = "DELETE FROM meter.rollups WHERE span = $1 AND start < $2";
    for (span, start) in [(Span::FiveMinutes, oldest.five), (Span::Hour, oldest.hour)] {
        execute(transaction, delete, &[&Number(span.seconds()), &Number(start)]).await?;
    }
    let delete =
        "DELETE FROM meter.published WHERE at < CASE WHEN signed THEN $1::bigint ELSE $2::bigint END";
    execute(transaction, delete, &[&Number(oldest.hour), &Number(oldest.unsigned)]).await?;
    execute(transaction, "DELETE FROM meter.leases WHERE at < $1", &[&Number(oldest.hour)]).await
}

pub(super) async fn kept(client: &Client) -> Result<Vec<Kept>, Error> {
    let select = "SELECT lease, state FROM meter.leases ORDER BY lease";
    let rows = client.query(select, &[]).await.map_err(Error::Database)?;
    let read = |row: &tokio_postgres::Row| {
        let lease: &[u8] = row.try_get(0).map_err(Error::Database)?;
        let lease = B256::try_from(lease).map_err(|_| codec::Malformed)?;
        Ok(Kept { lease, state: row.try_get(1).map_err(Error::Database)? })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn rollups(client: &Client, lease: B256) -> Result<Rollups, Error> {
    let mut rollups = Rollups::default();
    for body in bodies(client, lease, Span::Hour).await? {
        let closed = codec::read_closed(lease, Span::Hour, &body)?;
        rollups.hours.push(Hour::from(closed));
    }
    for body in bodies(client, lease, Span::FiveMinutes).await? {
        rollups.fives.push(codec::read_closed(lease, Span::FiveMinutes, &body)?.rollup);
    }
    Ok(rollups)
}

async fn bodies(client: &Client, lease: B256, span: Span) -> Result<Vec<Vec<u8>>, Error> {
    let select = "SELECT body FROM meter.rollups WHERE lease = $1 AND span = $2 ORDER BY start";
    let rows = client.query(select, &[&lease.as_slice(), &Number(span.seconds())]).await;
    rows.map_err(Error::Database)?.iter().map(|row| row.try_get(0).map_err(Error::Database)).collect()
}

pub(super) async fn published(client: &Client, lease: B256) -> Result<Vec<Published>, Error> {
    let select = "SELECT sequence, at, cut FROM meter.published WHERE lease = $1 ORDER BY sequence";
    let rows = client.query(select, &[&lease.as_slice()]).await.map_err(Error::Database)?;
    let read = |row: &tokio_postgres::Row| {
        let number = |column| row.try_get::<_, Number>(column).map_err(Error::Database);
        let cut: &[u8] = row.try_get(2).map_err(Error::Database)?;
        Ok(Published { sequence: number(0)?.0, at: number(1)?.0, cut: codec::read_cut(lease, cut)? })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn root(client: &Client, lease: B256, sequence: u64) -> Result<Option<B256>, Error> {
    let select = "SELECT root FROM meter.published WHERE lease = $1 AND sequence = $2";
    let row = client.query_opt(select, &[&lease.as_slice(), &Number(sequence)]).await;
    let Some(row) = row.map_err(Error::Database)? else { return Ok(None) };
    let root: &[u8] = row.try_get(0).map_err(Error::Database)?;
    Ok(Some(B256::try_from(root).map_err(|_| codec::Malformed)?))
}

async fn execute(
    transaction: &Transaction<'_>,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<(), Error> {
    transaction.execute(statement, values).await.map(drop).map_err(Error::Database)
}
