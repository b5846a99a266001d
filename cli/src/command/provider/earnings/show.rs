//! Books as tables for people, and their lines as CSV.

use alloy_primitives::{Address, B256};
use gateway_api::Decimal;
use market::Amount;

use super::Tokens;
use super::report::{Balance, LeaseTotal, Report, Row, Sum, Total};
use crate::command::provider::when;
use crate::output::{csv_lines, table};

pub(super) fn text(report: &Report, tokens: &Tokens) -> String {
    let show = |amount: Decimal, token: &Address| match tokens.get(token) {
        Some(money) => money.show(Amount(amount.0)),
        None => amount.0.to_string(),
    };
    // Nothing is easier to overlook than a 0 among amounts.
    let moved = |amount: Decimal, token: &Address| match amount.0 {
        0 => "-".to_owned(),
        _ => show(amount, token),
    };
    let lines = report.lines.iter().map(|row| {
        let Row { block, time, transaction, book, token, kind, lease, counterparty, .. } = row;
        [
            block.map_or("-".to_owned(), |block| block.to_string()),
            when(*time),
            short(transaction.as_ref().map(B256::as_slice)),
            (*book).to_owned(),
            (*kind).to_owned(),
            short(lease.as_ref().map(B256::as_slice)),
            short(counterparty.as_ref().map(|of| of.as_slice())),
            moved(row.amount_in, token),
            moved(row.amount_out, token),
            show(row.balance, token),
        ]
    });
    let header = ["BLOCK", "TIME", "TRANSACTION", "BOOK", "KIND", "LEASE", "WITH", "IN", "OUT", "BALANCE"];
    let lines = table(header, lines);
    let totals = report.totals.iter().map(|total| {
        let Total { book, token, kind, lines, sum: Sum { amount_in, amount_out } } = total;
        let (amount_in, amount_out) = (moved(*amount_in, token), moved(*amount_out, token));
        [(*book).to_owned(), (*kind).to_owned(), lines.to_string(), amount_in, amount_out]
    });
    let totals = table(["BOOK", "KIND", "LINES", "IN", "OUT"], totals);
    let leases = report.leases.iter().map(|total| {
        let LeaseTotal { lease, book, token, sum: Sum { amount_in, amount_out } } = total;
        [lease.to_string(), (*book).to_owned(), moved(*amount_in, token), moved(*amount_out, token)]
    });
    let leases = table(["LEASE", "BOOK", "IN", "OUT"], leases);
    let balances = report.balances.iter().map(|balance| {
        let Balance { book, token, events, contract } = balance;
        let verdict = if events == contract { "equal" } else { "DIFFERENT" };
        [(*book).to_owned(), show(*events, token), show(*contract, token), verdict.to_owned()]
    });
    let balances = table(["BOOK", "BY EVENTS", "BY CONTRACT", ""], balances);
    let (number, hash) = (report.block.number, report.block.hash);
    format!("{lines}\n{totals}\n{leases}\n{balances}\nas of block {number} ({hash})\n")
}

/// The lines alone, in full: a program sums them up by itself.
pub(super) fn csv(report: &Report) -> String {
    let header = [
        "block",
        "time",
        "transaction",
        "book",
        "token",
        "kind",
        "lease",
        "counterparty",
        "in",
        "out",
        "balance",
    ];
    let rows = report.lines.iter().map(|row| {
        [
            row.block.map_or_else(String::new, |block| block.to_string()),
            row.time.to_string(),
            row.transaction.map_or_else(String::new, |hash| hash.to_string()),
            row.book.to_owned(),
            row.token.to_string(),
            row.kind.to_owned(),
            row.lease.map_or_else(String::new, |lease| lease.to_string()),
            row.counterparty.map_or_else(String::new, |of| of.to_string()),
            row.amount_in.0.to_string(),
            row.amount_out.0.to_string(),
            row.balance.0.to_string(),
        ]
    });
    csv_lines(header, rows)
}

/// The first bytes of an id, enough to tell two apart by eye; JSON and CSV have all of it.
fn short(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    let first = bytes.get(..4).unwrap_or(bytes);
    format!("0x{}..", alloy_primitives::hex::encode(first))
}

#[cfg(test)]
mod tests;
