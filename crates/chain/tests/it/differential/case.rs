//! The generated cases: everything that the market's arithmetic reads, from one fixed seed.
//!
//! Half of the numbers are edges: nothing, one, the largest, powers of two, and for each number that a rule compares
//! with another, that other one and its neighbours.

use alloy::primitives::{Address, B256, U256, aliases};
use market::{Limits, Price, Prices, Usage, amount_exact};

/// When every case happens, in the middle of the 32 bits that a lease keeps of its times.
pub(super) const NOW: u64 = 1 << 31;
/// The market's claim window, the longest that its constructor allows; a case's lease ended at most that long ago.
pub(super) const CLAIM_WINDOW: u64 = 365 * 86_400 - 1;

const MAX_TIME: u64 = (1 << 32) - 1;

/// One lease, one claim, one payment, one ruling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) price: [u128; 8],
    pub(super) limit: [u64; 8],
    pub(super) usage: [u128; 8],
    pub(super) started_at: u64,
    pub(super) last_as_of: u64,
    pub(super) end_at: u64,
    pub(super) paid: u128,
    pub(super) balance: u128,
    /// What a payment pays, from `paid` up.
    pub(super) cum: u128,
    /// What a ruling splits, a part of `balance`.
    pub(super) contested: u128,
    pub(super) fee_bps: u16,
    pub(super) split_bps: u16,
}

impl Case {
    /// Up to when it bills.
    pub(super) fn as_of(&self) -> u64 {
        NOW.min(self.end_at)
    }

    /// The case as the line that the JavaScript side reads.
    pub(super) fn json(&self) -> String {
        let Self { price, limit, usage, started_at, last_as_of, end_at, paid, balance, .. } = self;
        let Self { cum, contested, fee_bps, split_bps, .. } = self;
        let (price, limit, usage) = (list(price), list(limit), list(usage));
        format!(
            r#"{{"kind":"Case","value":{{"price":{price},"limit":{limit},"usage":{usage},"startedAt":"{started_at}","lastAsOf":"{last_as_of}","endAt":"{end_at}","now":"{NOW}","paid":"{paid}","balance":"{balance}","cum":"{cum}","contested":"{contested}","feeBps":"{fee_bps}","splitBps":"{split_bps}"}}}}"#
        )
    }
}

/// Numbers as texts, because those of JSON are floats.
pub(super) fn list(numbers: &[impl std::fmt::Display]) -> String {
    let texts: Vec<String> = numbers.iter().map(|number| format!("\"{number}\"")).collect();
    format!("[{}]", texts.join(","))
}

/// A reproducible source of numbers (splitmix64).
pub(super) struct Source(u64);

impl Source {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not zero.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.word() % end
    }

    fn wide(&mut self) -> u128 {
        u128::from(self.word()) << 64 | u128::from(self.word())
    }

    /// A number of at most `bits` bits: of any length, or an edge.
    pub(super) fn sized(&mut self, bits: u32) -> u128 {
        let most = u128::MAX >> (128 - bits);
        match self.below(12) {
            0 => 0,
            1 => 1,
            2 => most,
            3 => 1 << self.below(bits.into()),
            4 => (1u128 << self.below(bits.into())) - 1,
            _ => (self.wide() & most) >> self.below(bits.into()),
        }
    }

    /// From 0 to `most`: an end, a neighbour of an end, or anywhere; `others` and their neighbours if they are inside.
    fn within(&mut self, most: u128, others: &[u128]) -> u128 {
        let pick = self.below(3);
        let centre = match usize::try_from(self.below(4 + others.len() as u64)).unwrap_or_default() {
            0 => 0,
            1 => most,
            2 => self.sized(128),
            3 => return if most == u128::MAX { self.wide() } else { self.wide() % (most + 1) },
            other => others[other - 4],
        };
        [centre, centre.saturating_add(1), centre.saturating_sub(1)][pick as usize].min(most)
    }

    fn moment(&mut self, first: u64, last: u64, others: &[u64]) -> u64 {
        let others: Vec<u128> = others.iter().filter_map(|o| o.checked_sub(first)).map(u128::from).collect();
        first + u64::try_from(self.within((last - first).into(), &others)).unwrap_or_default()
    }

    fn bps(&mut self) -> u16 {
        u16::try_from(self.within(10_000, &[100, 500, 5_000])).unwrap_or_default()
    }

    /// Prices and limits: of any size, as real providers offer them, or with a rate at the ends of its range.
    fn terms(&mut self) -> ([u128; 8], [u64; 8]) {
        let (price_bits, limit_bits) = match self.below(8) {
            0 => (128, 64),
            1 => return self.terms_at_the_end_of_the_rates(),
            2 => (90, 10),
            3 => (42, 4),
            _ => (64, 40),
        };
        let price = std::array::from_fn(|_| self.sized(price_bits));
        (price, std::array::from_fn(|_| self.sized(limit_bits) as u64))
    }

    fn terms_at_the_end_of_the_rates(&mut self) -> ([u128; 8], [u64; 8]) {
        // 4096 * 244140625 = 10^12: the first resource alone makes this rate exactly; the second may raise it.
        let rate = [0, 0, 1, 2, (1 << 96) - 2, (1 << 96) - 1, 1 << 96][self.below(7) as usize];
        let extra = [0, 0, 1, 1_000_000_000_000, 1_000_000_000_001][self.below(5) as usize];
        ([rate * 244_140_625, extra, 0, 0, 0, 0, 0, 0], [4096, 1, 0, 0, 0, 0, 0, 0])
    }

    /// Usage of any size, or around what the limits allow.
    fn usage(&mut self, limit: [u64; 8], elapsed: u64) -> [u128; 8] {
        let near_the_limits = self.below(2) == 0;
        limit.map(|limit| {
            let most = u128::from(limit) * u128::from(elapsed);
            if near_the_limits { self.within(most.saturating_add(1), &[most]) } else { self.sized(128) }
        })
    }

    /// The next case.
    pub(super) fn case(&mut self) -> Case {
        let (price, limit) = self.terms();
        let end_at = self.moment(NOW - CLAIM_WINDOW, MAX_TIME, &[NOW]);
        let as_of = NOW.min(end_at);
        let recent = as_of - self.below(1 << 26);
        let started_at = self.moment(0, as_of, &[recent, recent]);
        let recent = as_of - self.below(as_of - started_at + 1);
        let last_as_of = self.moment(started_at, as_of, &[recent]);
        let usage = self.usage(limit, as_of - started_at);
        let due = amount_exact(&Prices(price.map(Price)), &Limits(limit), &Usage(usage), as_of - started_at);
        let due: u128 = due.saturating_to();
        // Most of what is due is not paid yet, or there would be little to claim.
        let most = if self.below(4) == 0 { u128::MAX } else { due };
        let paid = self.within(most, &[due / 2, due - due / 7]);
        // What was ever put into a lease fits 128 bits.
        let balance = self.within(u128::MAX - paid, &[due.saturating_sub(paid), due]);
        let cum = paid + self.within(u128::MAX - paid, &[balance, due.saturating_sub(paid)]);
        let contested = self.within(balance, &[due.saturating_sub(paid)]);
        let (fee_bps, split_bps) = (self.bps(), self.bps());
        Case {
            price,
            limit,
            usage,
            started_at,
            last_as_of,
            end_at,
            paid,
            balance,
            cum,
            contested,
            fee_bps,
            split_bps,
        }
    }

    pub(super) fn account(&mut self) -> Address {
        match self.below(8) {
            0 => Address::ZERO,
            1 => Address::repeat_byte(0xff),
            _ => Address::from_word(self.hash()),
        }
    }

    pub(super) fn hash(&mut self) -> B256 {
        B256::from(U256::from(self.wide()) << 128 | U256::from(self.wide()))
    }

    pub(super) fn u40(&mut self) -> aliases::U40 {
        aliases::U40::from(self.sized(40))
    }

    pub(super) fn u96(&mut self) -> aliases::U96 {
        aliases::U96::from(self.sized(96))
    }
}
