//! Rollups in few bytes: numbers as LEB128, because most are nought or small.
//!
//! Lives stand at the end, so that a record of format 1, in which there are none, is one of format 2.

mod lives;

use alloy_primitives::B256;
use usage::lives::root;
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
        let prev = self.hash()?;
        Ok(Rollup { lease, span, start, until, before, added, adjusted, prev, parts, lives: None })
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
    writer.lives(closed.lives.as_deref());
    writer.0
}

/// A closed rollup of this lease and span.
pub(crate) fn read_closed(lease: B256, span: Span, bytes: &[u8]) -> Result<Closed, Malformed> {
    let mut reader = Reader(bytes);
    let parts = reader.hashes()?;
    let mut rollup = reader.rollup(lease, span, usage::merkle_root(&parts))?;
    let lives = reader.lives()?;
    rollup.lives = lives.as_deref().map(root);
    reader.end()?;
    Ok(Closed { rollup, parts, lives })
}

/// What a publication's root commits to.
pub(crate) fn write_cut(cut: &Cut) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.hash(cut.ledger_root);
    writer.hashes(&cut.parts);
    writer.rollup(&cut.hour);
    writer.rollup(&cut.five);
    writer.lives(cut.lives.as_deref());
    writer.0
}

/// What the root of a publication of this lease commits to.
pub(crate) fn read_cut(lease: B256, bytes: &[u8]) -> Result<Cut, Malformed> {
    let mut reader = Reader(bytes);
    let ledger_root = reader.hash()?;
    let parts = reader.hashes()?;
    let mut hour = reader.rollup(lease, Span::Hour, usage::merkle_root(&parts))?;
    let five = reader.rollup(lease, Span::FiveMinutes, B256::ZERO)?;
    let lives = reader.lives()?;
    hour.lives = lives.as_deref().map(root);
    reader.end()?;
    Ok(Cut { ledger_root, five, hour, parts, lives })
}

#[cfg(test)]
mod tests {
    use market::Dimension;
    use usage::lives::{Began, Ended, Holder, Life, Quantities, Stretch};

    use super::*;

    fn cut(lives: Option<Vec<Life>>) -> Cut {
        let rollup = |span, parts, lives| Rollup {
            lease: B256::repeat_byte(1),
            span,
            start: 7200,
            until: Millis(u64::MAX),
            before: Counters([0, 1, 127, 128, 300, u128::MAX, 0, 0, 5, 6, 7, 8]),
            added: Counters([9; 12]),
            adjusted: Counters::default(),
            prev: B256::repeat_byte(2),
            parts,
            lives,
        };
        let parts = vec![B256::repeat_byte(3), B256::repeat_byte(4)];
        let committed = usage::merkle_root(&parts);
        Cut {
            ledger_root: B256::repeat_byte(5),
            five: rollup(Span::FiveMinutes, B256::ZERO, None),
            hour: rollup(Span::Hour, committed, lives.as_deref().map(root)),
            parts,
            lives,
        }
    }

    fn pod() -> Life {
        let hour = Millis(1_800_000_000_000);
        let stretch = Stretch {
            from: hour,
            to: Millis(hour.0 + 3_600_000),
            millis: 3_600_000,
            began: None,
            ended: None,
        };
        let holding = Quantities::from([(Dimension::Cpu, 1_500), (Dimension::Memory, 1 << 30)]);
        let pod = "0b1c7a3e-5a53-4f3e-9a39-1d7a3f0c8a11".to_owned();
        Life {
            holder: Holder::Container { pod, name: "workload".to_owned() },
            holding,
            stretches: vec![stretch],
            added: holding.over(3_600_000),
        }
    }

    /// Every holder, and every word.
    fn lives() -> Vec<Life> {
        let words = Began::ALL.map(|began| (Some(began), None));
        let words = words.into_iter().chain(Ended::ALL.map(|ended| (None, Some(ended))));
        let stretches = words
            .map(|(began, ended)| Stretch { from: Millis(7), to: Millis(9), millis: 1, began, ended })
            .collect();
        let lease = Life { holder: Holder::Lease, stretches, ..pod() };
        let quantities = Quantities([1, 2, 3, 4, 5, 6, 7, u128::MAX]);
        let volume = Holder::Volume { uid: "v".to_owned() };
        let volume = Life { holder: volume, holding: quantities, stretches: Vec::new(), added: quantities };
        // Others count for more than the time lasts.
        let others = Stretch { from: Millis(7), to: Millis(9), millis: 40, began: None, ended: None };
        let others = Life { holder: Holder::Others, stretches: vec![others], ..pod() };
        vec![pod(), lease, volume, others]
    }

    #[test]
    fn an_unchanged_pod_takes_two_kilobytes_a_day() {
        let cut = |lives| write_cut(&cut(Some(lives))).len();
        let each = cut(vec![pod(), pod()]) - cut(vec![pod()]);
        assert_eq!(each, 83);
        assert!(each * 24 <= 2048);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for told in [None, Some(Vec::new()), Some(lives())] {
            let cut = cut(told);
            assert_eq!(read_cut(cut.five.lease, &write_cut(&cut)), Ok(cut.clone()));
            let closed = Closed { rollup: cut.hour, parts: cut.parts, lives: cut.lives };
            assert_eq!(read_closed(closed.rollup.lease, Span::Hour, &write_closed(&closed)), Ok(closed));
        }
    }

    #[test]
    fn a_record_that_is_cut_short_or_goes_on_is_refused() {
        let bytes = write_cut(&cut(Some(lives())));
        let untold = write_cut(&cut(None));
        let lease = B256::repeat_byte(1);
        for length in (0..bytes.len()).filter(|length| *length != untold.len()) {
            assert_eq!(read_cut(lease, &bytes[..length]), Err(Malformed), "{length}");
        }
        assert_eq!(read_cut(lease, &[&bytes[..], &[0]].concat()), Err(Malformed));
        assert_eq!(read_closed(lease, Span::Hour, &[0xff; 40]), Err(Malformed));
    }
}
