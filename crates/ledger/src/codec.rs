//! Rollups in few bytes: numbers as LEB128, because most are nought or small.

use alloy_primitives::B256;
use usage::rollup::{Closed, Cut, Rollup, Span};
use usage::{COUNTERS, Counters, Millis};

/// Bytes that are no record of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record ends early or holds what no record does")]
pub struct Malformed;

#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, value: impl Into<u128>) {
        let mut rest: u128 = value.into();
        loop {
            let low = rest.to_le_bytes()[0] & 0x7f;
            rest >>= 7;
            if rest == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    fn hash(&mut self, hash: B256) {
        self.0.extend(hash);
    }

    fn hashes(&mut self, hashes: &[B256]) {
        self.number(hashes.len() as u64);
        hashes.iter().for_each(|hash| self.hash(*hash));
    }

    /// All of a rollup but its lease and its span, which its place tells.
    fn rollup(&mut self, rollup: &Rollup) {
        self.number(rollup.start);
        self.number(rollup.until.0);
        for counters in [&rollup.before, &rollup.added, &rollup.adjusted] {
            counters.0.iter().for_each(|counter| self.number(*counter));
        }
        self.hash(rollup.prev);
    }
}

pub(crate) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u128, Malformed> {
        let mut value: u128 = 0;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let low = u128::from(byte & 0x7f);
            let shifted = low << shift;
            if shifted >> shift != low {
                return Err(Malformed);
            }
            value |= shifted;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn small(&mut self) -> Result<u64, Malformed> {
        u64::try_from(self.number()?).map_err(|_| Malformed)
    }

    fn hash(&mut self) -> Result<B256, Malformed> {
        let (hash, rest) = self.0.split_at_checked(32).ok_or(Malformed)?;
        self.0 = rest;
        Ok(B256::from_slice(hash))
    }

    fn hashes(&mut self) -> Result<Vec<B256>, Malformed> {
        (0..self.small()?).map(|_| self.hash()).collect()
    }

    fn counters(&mut self) -> Result<Counters, Malformed> {
        let mut counters = [0; COUNTERS];
        for counter in &mut counters {
            *counter = self.number()?;
        }
        Ok(Counters(counters))
    }

    fn rollup(&mut self, lease: B256, span: Span, parts: B256) -> Result<Rollup, Malformed> {
        let (start, until) = (self.small()?, Millis(self.small()?));
        let [before, added, adjusted] = [self.counters()?, self.counters()?, self.counters()?];
        Ok(Rollup { lease, span, start, until, before, added, adjusted, prev: self.hash()?, parts })
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// A closed rollup.
pub(crate) fn write_closed(closed: &Closed) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.hashes(&closed.parts);
    writer.rollup(&closed.rollup);
    writer.0
}

/// A closed rollup of this lease and span.
pub(crate) fn read_closed(lease: B256, span: Span, bytes: &[u8]) -> Result<Closed, Malformed> {
    let mut reader = Reader(bytes);
    let parts = reader.hashes()?;
    let rollup = reader.rollup(lease, span, usage::merkle_root(&parts))?;
    reader.end()?;
    Ok(Closed { rollup, parts })
}

/// What a publication's root commits to.
pub(crate) fn write_cut(cut: &Cut) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.hash(cut.ledger_root);
    writer.hashes(&cut.parts);
    writer.rollup(&cut.hour);
    writer.rollup(&cut.five);
    writer.0
}

/// What the root of a publication of this lease commits to.
pub(crate) fn read_cut(lease: B256, bytes: &[u8]) -> Result<Cut, Malformed> {
    let mut reader = Reader(bytes);
    let ledger_root = reader.hash()?;
    let parts = reader.hashes()?;
    let hour = reader.rollup(lease, Span::Hour, usage::merkle_root(&parts))?;
    let five = reader.rollup(lease, Span::FiveMinutes, B256::ZERO)?;
    reader.end()?;
    Ok(Cut { ledger_root, five, hour, parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut() -> Cut {
        let rollup = |span, parts| Rollup {
            lease: B256::repeat_byte(1),
            span,
            start: 7200,
            until: Millis(u64::MAX),
            before: Counters([0, 1, 127, 128, 300, u128::MAX, 0, 0, 5, 6, 7, 8]),
            added: Counters([9; 12]),
            adjusted: Counters::default(),
            prev: B256::repeat_byte(2),
            parts,
        };
        let parts = vec![B256::repeat_byte(3), B256::repeat_byte(4)];
        let root = usage::merkle_root(&parts);
        Cut {
            ledger_root: B256::repeat_byte(5),
            five: rollup(Span::FiveMinutes, B256::ZERO),
            hour: rollup(Span::Hour, root),
            parts,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let cut = cut();
        assert_eq!(read_cut(cut.five.lease, &write_cut(&cut)), Ok(cut.clone()));
        let closed = Closed { rollup: cut.hour, parts: cut.parts };
        assert_eq!(read_closed(closed.rollup.lease, Span::Hour, &write_closed(&closed)), Ok(closed));
    }

    #[test]
    fn a_record_that_is_cut_short_or_goes_on_is_refused() {
        let bytes = write_cut(&cut());
        let lease = B256::repeat_byte(1);
        for length in 0..bytes.len() {
            assert_eq!(read_cut(lease, &bytes[..length]), Err(Malformed), "{length}");
        }
        assert_eq!(read_cut(lease, &[&bytes[..], &[0]].concat()), Err(Malformed));
        assert_eq!(read_closed(lease, Span::Hour, &[0xff; 40]), Err(Malformed));
    }
}
