//! What is said of an account's books. Pure.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use chain::books::{Book, Books, Kind, Line, Measure};
use gateway_api::Decimal;
use market::{Amount, LeaseId};
use serde::Serialize;

use crate::moment::Period;

/// The kind of the line that stands for everything before the period.
const OPENING: &str = "opening";

/// The result of the command. Amounts are base units.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    provider: Address,
    /// The block that everything is as of.
    pub(super) block: Head,
    from: Option<u64>,
    to: Option<u64>,
    pub(super) lines: Vec<Row>,
    /// By book and kind, of the lines above.
    pub(super) totals: Vec<Total>,
    /// By lease, of the lines above; locks are not among them, because they move nothing.
    pub(super) leases: Vec<LeaseTotal>,
    /// At the block, whatever the period.
    pub(super) balances: Vec<Balance>,
    /// Whether events and contracts agree in every balance.
    equal: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Head {
    pub(super) number: u64,
    pub(super) hash: B256,
    time: u64,
}

/// One line. The opening line of a book has no block, and what the book held before the period came in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) block: Option<u64>,
    pub(super) time: u64,
    pub(super) transaction: Option<B256>,
    pub(super) book: &'static str,
    pub(super) token: Address,
    pub(super) kind: &'static str,
    pub(super) lease: Option<B256>,
    pub(super) counterparty: Option<Address>,
    #[serde(rename = "in")]
    pub(super) amount_in: Decimal,
    #[serde(rename = "out")]
    pub(super) amount_out: Decimal,
    pub(super) balance: Decimal,
}

#[derive(Debug, Serialize)]
pub(super) struct Total {
    pub(super) book: &'static str,
    pub(super) token: Address,
    pub(super) kind: &'static str,
    pub(super) lines: u64,
    #[serde(flatten)]
    pub(super) sum: Sum,
}

#[derive(Debug, Serialize)]
pub(super) struct LeaseTotal {
    pub(super) lease: B256,
    pub(super) book: &'static str,
    pub(super) token: Address,
    #[serde(flatten)]
    pub(super) sum: Sum,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Sum {
    #[serde(rename = "in")]
    pub(super) amount_in: Decimal,
    #[serde(rename = "out")]
    pub(super) amount_out: Decimal,
}

#[derive(Debug, Serialize)]
pub(super) struct Balance {
    pub(super) book: &'static str,
    pub(super) token: Address,
    /// What follows from the events.
    pub(super) events: Decimal,
    /// What the contract says.
    pub(super) contract: Decimal,
}

impl Sum {
    fn add(&mut self, amount_in: Amount, amount_out: Amount) {
        self.amount_in.0 = self.amount_in.0.saturating_add(amount_in.0);
        self.amount_out.0 = self.amount_out.0.saturating_add(amount_out.0);
    }
}

pub(super) fn report(books: &Books, period: Period) -> Report {
    let opening = opening(books, period);
    let shown: Vec<&Line> = books.lines.iter().filter(|line| period.holds(line.place.time)).collect();
    let moment = |moment: Option<crate::moment::Moment>| moment.map(|moment| moment.0.0);
    Report {
        provider: books.account,
        block: Head { number: books.head.number, hash: books.head.hash, time: books.head.timestamp.0 },
        from: moment(period.from),
        to: moment(period.to),
        totals: totals(books, &opening, &shown),
        leases: leases(books, &shown),
        lines: rows(books, period, &opening, &shown),
        balances: balances(books),
        equal: books.differences.is_empty(),
    }
}

/// What each book held when the period began.
fn opening(books: &Books, period: Period) -> BTreeMap<Book, Amount> {
    let before = books.lines.iter().filter(|line| period.is_after(line.place.time));
    let held: BTreeMap<Book, Amount> = before.map(|line| (line.book, line.balance)).collect();
    held.into_iter().filter(|(_, amount)| !amount.is_zero()).collect()
}

fn rows(books: &Books, period: Period, opening: &BTreeMap<Book, Amount>, shown: &[&Line]) -> Vec<Row> {
    let since = period.from.map(|from| from.0.0).unwrap_or_default();
    let opening = opening.iter().map(|(book, amount)| Row {
        block: None,
        time: since,
        transaction: None,
        book: book.name(),
        token: books.token_of(*book),
        kind: OPENING,
        lease: None,
        counterparty: None,
        amount_in: Decimal(amount.0),
        amount_out: Decimal(0),
        balance: Decimal(amount.0),
    });
    let lines = shown.iter().map(|line| {
        let Line { place, book, kind, lease, counterparty, amount_in, amount_out, balance } = line;
        Row {
            block: Some(place.block),
            time: place.time.0,
            transaction: Some(place.transaction),
            book: book.name(),
            token: books.token_of(*book),
            kind: kind.name(),
            lease: lease.map(|lease| lease.0),
            counterparty: *counterparty,
            amount_in: Decimal(amount_in.0),
            amount_out: Decimal(amount_out.0),
            balance: Decimal(balance.0),
        }
    });
    opening.chain(lines).collect()
}

fn totals(books: &Books, opening: &BTreeMap<Book, Amount>, shown: &[&Line]) -> Vec<Total> {
    let mut sums: BTreeMap<(Book, Option<Kind>), (u64, Sum)> = BTreeMap::new();
    let opening = opening.iter().map(|(book, amount)| ((*book, None), *amount, Amount::ZERO));
    let lines = shown.iter().map(|line| ((line.book, Some(line.kind)), line.amount_in, line.amount_out));
    for (of, amount_in, amount_out) in opening.chain(lines) {
        let (lines, sum) = sums.entry(of).or_default();
        *lines += 1;
        sum.add(amount_in, amount_out);
    }
    let total = |((book, kind), (lines, sum)): ((Book, Option<Kind>), _)| Total {
        book: book.name(),
        token: books.token_of(book),
        kind: kind.map_or(OPENING, Kind::name),
        lines,
        sum,
    };
    sums.into_iter().map(total).collect()
}

fn leases(books: &Books, shown: &[&Line]) -> Vec<LeaseTotal> {
    let mut sums: BTreeMap<(LeaseId, Book), Sum> = BTreeMap::new();
    for line in shown.iter().filter(|line| !line.book.is_part_of_bond()) {
        let Some(lease) = line.lease else { continue };
        sums.entry((lease, line.book)).or_default().add(line.amount_in, line.amount_out);
    }
    let total = |((lease, book), sum): ((LeaseId, Book), Sum)| LeaseTotal {
        lease: lease.0,
        book: book.name(),
        token: books.token_of(book),
        sum,
    };
    sums.into_iter().map(total).collect()
}

/// Everything that is or should be something.
fn balances(books: &Books) -> Vec<Balance> {
    let (ours, theirs) = (&books.balances, &books.chain);
    let held = theirs.held.keys().chain(ours.held.keys()).map(|book| Measure::Held(*book));
    let fees = theirs.fees_paid.keys().chain(ours.fees_paid.keys()).map(|token| Measure::FeesPaid(*token));
    let measures: std::collections::BTreeSet<Measure> = held.chain(fees).collect();
    let amount = |of: &chain::books::Balances, measure| match measure {
        Measure::Held(book) => of.held.get(&book).copied().unwrap_or_default(),
        Measure::FeesPaid(token) => of.fees_paid.get(&token).copied().unwrap_or_default(),
    };
    let balance = |measure| {
        let (book, token) = match measure {
            Measure::Held(book) => (book.name(), books.token_of(book)),
            Measure::FeesPaid(token) => ("fees_paid", token),
        };
        let (events, contract) = (amount(ours, measure), amount(theirs, measure));
        Balance { book, token, events: Decimal(events.0), contract: Decimal(contract.0) }
    };
    let balances = measures.into_iter().map(balance);
    balances.filter(|balance| balance.events.0 != 0 || balance.contract.0 != 0).collect()
}
