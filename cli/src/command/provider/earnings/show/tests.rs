use std::collections::BTreeMap;

use chain::books::{Balances, Book, Books, Difference, Kind, Line, Measure, Place};
use chain::rpc::Block;
use market::{LeaseId, Timestamp};

use super::super::report::report;
use super::*;
use crate::moment::{Moment, Period};
use crate::money::Money;

const TOKEN: Address = Address::repeat_byte(0x01);
const BOND: Address = Address::repeat_byte(0x02);
const ME: Address = Address::repeat_byte(0xaa);
const TENANT: Address = Address::repeat_byte(0x70);
const TREASURY: Address = Address::repeat_byte(0x77);

fn line(block: u64, book: Book, kind: Kind, amounts: [u128; 3], with: Option<Address>) -> Line {
    let [amount_in, amount_out, balance] = amounts.map(Amount);
    let lease = matches!(kind, Kind::Statement | Kind::Fee | Kind::BondLocked | Kind::Slash)
        .then_some(LeaseId(B256::repeat_byte(0x1e)));
    let transaction = B256::repeat_byte(u8::try_from(block).unwrap());
    let place = Place { block, log_index: 3, time: Timestamp(1_767_225_600 + 60 * block), transaction };
    Line { place, book, kind, lease, counterparty: with, amount_in, amount_out, balance }
}

fn books() -> Books {
    let account = Book::Account(TOKEN);
    let lines = vec![
        line(1, Book::Bond, Kind::BondPosted, [1_000_000_000, 0, 1_000_000_000], None),
        line(2, Book::Locked, Kind::BondLocked, [5_000_000, 0, 5_000_000], Some(TENANT)),
        line(3, account, Kind::Statement, [2_500_000, 0, 2_500_000], Some(TENANT)),
        line(3, account, Kind::Fee, [0, 50_000, 2_450_000], Some(TREASURY)),
        line(4, account, Kind::Statement, [1_000_000, 0, 3_450_000], Some(TENANT)),
        line(4, account, Kind::Fee, [0, 20_000, 3_430_000], Some(TREASURY)),
        line(5, Book::Bond, Kind::Slash, [0, 1_500_000, 998_500_000], Some(TENANT)),
        line(6, account, Kind::Withdrawal, [0, 3_000_000, 430_000], Some(ME)),
    ];
    let held = BTreeMap::from([
        (account, Amount(430_000)),
        (Book::Bond, Amount(998_500_000)),
        (Book::Locked, Amount(5_000_000)),
    ]);
    let balances = Balances { held, fees_paid: BTreeMap::from([(TOKEN, Amount(70_000))]) };
    let head = Block {
        number: 9,
        hash: B256::repeat_byte(0x9a),
        parent: B256::repeat_byte(0x8a),
        timestamp: Timestamp(1_767_226_200),
        base_fee: None,
    };
    let chain = balances.clone();
    Books { account: ME, head, bond_token: BOND, lines, balances, chain, differences: Vec::new() }
}

fn tokens() -> Tokens {
    let money = |symbol: &str| Money { decimals: 6, symbol: symbol.to_owned() };
    Tokens::from([(TOKEN, money("TEST")), (BOND, money("BOND"))])
}

fn since_block(block: u64) -> Period {
    Period { from: Some(Moment(Timestamp(1_767_225_600 + 60 * block))), to: None }
}

/// Compares with a golden file; `UPDATE_GOLDEN=1` rewrites it.
fn check_golden(name: &str, found: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/earnings").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    let hint = "run UPDATE_GOLDEN=1 cargo test -p leasehold earnings";
    assert!(wanted == found, "{} is stale: {hint}\n{found}", path.display());
}

#[test]
fn books_are_shown_as_a_table_as_csv_and_as_json() {
    let report = report(&books(), Period::default());
    check_golden("whole.txt", &text(&report, &tokens()));
    check_golden("whole.csv", &csv(&report));
    check_golden("whole.json", &format!("{}\n", serde_json::to_string_pretty(&report).unwrap()));
}

#[test]
fn a_period_begins_with_what_each_book_held_so_that_its_lines_add_up() {
    let report = report(&books(), since_block(4));
    check_golden("period.txt", &text(&report, &tokens()));
    let mut sums: BTreeMap<(&str, Address), i128> = BTreeMap::new();
    for row in &report.lines {
        let (added, taken) = (row.amount_in.0.cast_signed(), row.amount_out.0.cast_signed());
        *sums.entry((row.book, row.token)).or_default() += added - taken;
    }
    let held = [(("account", TOKEN), 430_000), (("bond", BOND), 998_500_000), (("locked", BOND), 5_000_000)];
    assert_eq!(sums, BTreeMap::from(held));
}

#[test]
fn a_period_that_ends_early_shows_balances_of_the_block_all_the_same() {
    let early = Period { from: None, to: since_block(3).from };
    let report = report(&books(), early);
    assert_eq!(report.lines.len(), 2);
    assert_eq!(report.balances.len(), 4);
}

#[test]
fn what_differs_is_seen_in_the_table() {
    let mut books = books();
    books.chain.held.insert(Book::Bond, Amount(7));
    let measure = Measure::Held(Book::Bond);
    books.differences = vec![Difference { measure, books: Amount(998_500_000), chain: Amount(7) }];
    let report = report(&books, Period::default());
    let shown = text(&report, &tokens());
    let differing: Vec<_> = shown.lines().filter(|line| line.contains("DIFFERENT")).collect();
    assert_eq!(differing.len(), 1);
    assert!(differing[0].contains("998.5 BOND") && differing[0].contains("0.000007 BOND"), "{differing:?}");
    assert_eq!(serde_json::to_value(&report).unwrap()["equal"], false);
}
