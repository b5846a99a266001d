use std::collections::BTreeSet;

use market::Timestamp;

use super::*;

const ME: Address = Address::repeat_byte(0xaa);
const TENANT: Address = Address::repeat_byte(0x70);
const PROVIDER: Address = Address::repeat_byte(0x90);
const TREASURY: Address = Address::repeat_byte(0x77);
const TOKEN: Address = Address::repeat_byte(0x01);

fn lease(number: u8) -> LeaseId {
    LeaseId(B256::repeat_byte(number))
}

/// Each inner list is a transaction, in a block of its own.
fn facts(transactions: Vec<Vec<MoneyEvent>>) -> Vec<Fact> {
    let place = |block: u64, log_index: u64| Place {
        block,
        log_index,
        time: Timestamp(block * 10),
        transaction: B256::left_padding_from(&block.to_be_bytes()),
    };
    let numbered = (1..).zip(transactions);
    numbered
        .flat_map(|(block, events)| {
            (0..).zip(events).map(move |(index, event)| Fact { place: place(block, index), event })
        })
        .collect()
}

fn paid(number: u8, provider: Address, amount: u128, fee: u128, hash: u8) -> MoneyEvent {
    MoneyEvent::LeaseSettled {
        lease: lease(number),
        provider,
        amount: Amount(amount),
        fee: Amount(fee),
        usage_hash: B256::repeat_byte(hash),
    }
}

fn opened(number: u8, tenant: Address, provider: Address, amount: u128, max_slash: u128) -> MoneyEvent {
    let (amount, max_slash) = (Amount(amount), Amount(max_slash));
    MoneyEvent::LeaseOpened { lease: lease(number), tenant, provider, token: TOKEN, amount, max_slash }
}

fn closed(number: u8, tenant: Address, provider: Address, refund: u128, reason: CloseReason) -> MoneyEvent {
    MoneyEvent::LeaseClosed { lease: lease(number), tenant, provider, refund: Amount(refund), reason }
}

fn slashed(provider: Address, victim: Address, rest: Address, to_victim: u128, to_rest: u128) -> MoneyEvent {
    let (to_victim, to_rest) = (Amount(to_victim), Amount(to_rest));
    MoneyEvent::BondSlashed { provider, victim, rest, to_victim, to_rest }
}

fn disputed(number: u8, provider: Address, deposit: u128, from_balance: u128) -> MoneyEvent {
    let (deposit, from_balance) = (Amount(deposit), Amount(from_balance));
    MoneyEvent::LeaseDisputed { lease: lease(number), provider, deposit, from_balance }
}

/// One account in every role that there is.
fn story() -> Vec<Fact> {
    use MoneyEvent as E;
    let resolved =
        |number, provider, deposit_to| E::DisputeResolved { lease: lease(number), provider, deposit_to };
    facts(vec![
        vec![E::FeeSet { treasury: TREASURY }],
        vec![E::ProviderRegistered { provider: ME, bond: Amount(1000) }],
        vec![E::BondAdded { provider: ME, amount: Amount(50) }],
        vec![E::Deposited { payer: TENANT, owner: ME, token: TOKEN, amount: Amount(500) }],
        vec![opened(1, TENANT, ME, 300, 100)],
        vec![paid(1, ME, 40, 2, 9)],
        vec![paid(1, ME, 30, 1, 0)],
        vec![paid(1, ME, 20, 1, 0), disputed(1, ME, 7, 7)],
        vec![
            paid(1, ME, 10, 0, 0),
            resolved(1, ME, ME),
            closed(1, TENANT, ME, 193, CloseReason::Resolved),
            slashed(ME, TENANT, TREASURY, 25, 5),
        ],
        vec![opened(2, TENANT, ME, 100, 60)],
        vec![closed(2, TENANT, ME, 100, CloseReason::NoShow), slashed(ME, TENANT, TREASURY, 11, 0)],
        vec![opened(3, ME, PROVIDER, 200, 50)],
        vec![E::LeaseToppedUp { lease: lease(3), from: ME, amount: Amount(21) }],
        vec![disputed(3, PROVIDER, 9, 3)],
        vec![
            resolved(3, PROVIDER, ME),
            closed(3, ME, PROVIDER, 150, CloseReason::Resolved),
            slashed(PROVIDER, ME, TREASURY, 12, 3),
        ],
        vec![E::FeeSet { treasury: ME }],
        vec![paid(4, PROVIDER, 100, 5, 9)],
        vec![slashed(PROVIDER, TENANT, ME, 1, 4)],
        vec![E::UnbondStarted { provider: ME, amount: Amount(500) }],
        vec![E::UnbondStarted { provider: ME, amount: Amount(300) }],
        vec![E::BondWithdrawn { provider: ME, to: TENANT, amount: Amount(299) }],
        vec![E::ClaimableWithdrawn { account: ME, to: TENANT, amount: Amount(15) }],
        vec![E::Withdrawn { owner: ME, token: TOKEN, to: TENANT, amount: Amount(101) }],
    ])
}

fn tokens() -> LeaseTokens {
    (1..=4).map(|number| (lease(number), TOKEN)).collect()
}

fn told(line: &Line) -> String {
    let lease = line.lease.map_or(0, |lease| lease.0[0]);
    let to = line.counterparty.map_or(0, |other| other.0[0]);
    let Line { place, book, kind, amount_in, amount_out, balance, .. } = line;
    format!(
        "{} {} {} lease {lease} with {to:x}: +{amount_in} -{amount_out} = {balance}",
        place.block,
        book.name(),
        kind.name()
    )
}

#[test]
fn every_movement_of_every_role_has_its_line() {
    let (lines, balances) = post(ME, &story(), &tokens()).unwrap();
    let told: Vec<_> = lines.iter().map(told).collect();
    let expected = [
        "2 bond bond_posted lease 0 with 0: +1000 -0 = 1000",
        "3 bond bond_added lease 0 with 0: +50 -0 = 1050",
        "4 account deposit lease 0 with 70: +500 -0 = 500",
        "5 locked bond_locked lease 1 with 70: +100 -0 = 100",
        "6 account statement lease 1 with 70: +40 -0 = 540",
        "6 account fee lease 1 with 77: +0 -2 = 538",
        "7 account claim lease 1 with 70: +30 -0 = 568",
        "7 account fee lease 1 with 77: +0 -1 = 567",
        "8 account concession lease 1 with 70: +20 -0 = 587",
        "8 account fee lease 1 with 77: +0 -1 = 586",
        "9 account award lease 1 with 70: +10 -0 = 596",
        "9 account dispute_deposit_won lease 1 with 70: +7 -0 = 603",
        "9 locked bond_unlocked lease 1 with 70: +0 -100 = 0",
        "9 bond slash lease 1 with 70: +0 -25 = 1025",
        "9 bond slash lease 1 with 77: +0 -5 = 1020",
        "10 locked bond_locked lease 2 with 70: +60 -0 = 60",
        "11 locked bond_unlocked lease 2 with 70: +0 -60 = 0",
        "11 bond no_show_penalty lease 2 with 70: +0 -11 = 1009",
        "12 account lease_funded lease 3 with 90: +0 -200 = 403",
        "13 account lease_topped_up lease 3 with 0: +0 -21 = 382",
        "14 account dispute_deposit lease 3 with 90: +0 -6 = 376",
        "15 account dispute_deposit_returned lease 3 with 90: +9 -0 = 385",
        "15 account refund lease 3 with 90: +150 -0 = 535",
        "15 compensation compensation lease 3 with 90: +12 -0 = 12",
        "17 account fee_income lease 4 with 90: +5 -0 = 540",
        "18 compensation slash_rest lease 0 with 90: +4 -0 = 16",
        "19 unbonding unbond_requested lease 0 with 0: +500 -0 = 500",
        "20 unbonding unbond_requested lease 0 with 0: +0 -200 = 300",
        "21 bond bond_withdrawn lease 0 with 70: +0 -299 = 710",
        "21 unbonding bond_withdrawn lease 0 with 70: +0 -299 = 1",
        "22 compensation compensation_withdrawn lease 0 with 70: +0 -15 = 1",
        "23 account withdrawal lease 0 with 70: +0 -101 = 439",
    ];
    assert_eq!(told, expected);
    let held = [
        (Book::Account(TOKEN), Amount(439)),
        (Book::Bond, Amount(710)),
        (Book::Locked, Amount(0)),
        (Book::Unbonding, Amount(1)),
        (Book::Compensation, Amount(1)),
    ];
    let fees_paid = BTreeMap::from([(TOKEN, Amount(4))]);
    assert_eq!(balances, Balances { held: BTreeMap::from(held), fees_paid });
    let kinds: BTreeSet<Kind> = lines.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, BTreeSet::from(Kind::ALL));
}

#[test]
fn no_event_can_be_left_out_unnoticed() {
    let whole = post(ME, &story(), &tokens());
    for left_out in 0..story().len() {
        let mut facts = story();
        let removed = facts.remove(left_out);
        assert_ne!(post(ME, &facts, &tokens()), whole, "{removed:?}");
    }
}

#[test]
fn events_that_take_what_is_not_there_are_no_history() {
    let withdrawn = MoneyEvent::Withdrawn { owner: ME, token: TOKEN, to: TENANT, amount: Amount(1) };
    let overdrawn = PostError::Overdrawn { block: 1, book: "account", held: Amount::ZERO, amount: Amount(1) };
    assert_eq!(post(ME, &facts(vec![vec![withdrawn]]), &tokens()), Err(overdrawn));
    let stray = closed(1, TENANT, ME, 0, CloseReason::Finalized);
    let unknown = PostError::UnknownLease { block: 1, lease: lease(1) };
    assert_eq!(post(ME, &facts(vec![vec![stray]]), &tokens()), Err(unknown));
}

#[test]
fn a_tenant_that_is_its_own_provider_and_treasury_loses_nothing_but_what_the_lease_holds() {
    let facts = facts(vec![
        vec![MoneyEvent::FeeSet { treasury: ME }],
        vec![MoneyEvent::Deposited { payer: ME, owner: ME, token: TOKEN, amount: Amount(100) }],
        vec![opened(1, ME, ME, 100, 10)],
        vec![paid(1, ME, 60, 3, 9)],
        vec![closed(1, ME, ME, 40, CloseReason::Finalized)],
    ]);
    let (_, balances) = post(ME, &facts, &tokens()).unwrap();
    let held = [(Book::Account(TOKEN), Amount(100)), (Book::Locked, Amount::ZERO)];
    let fees_paid = BTreeMap::from([(TOKEN, Amount(3))]);
    assert_eq!(balances, Balances { held: BTreeMap::from(held), fees_paid });
}
