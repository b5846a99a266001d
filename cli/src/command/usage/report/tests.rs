use alloy_primitives::Address;
use market::{BasisPoints, LeaseState, Limits, OrderHash, Price};

use super::*;

/// A core and a gibibyte at 2 and 1 base units a second, with 1000 s behind it and two thirds of the time used.
fn facts() -> Facts {
    let mut prices = [Price(0); 8];
    prices[1] = Price(2_000_000_000_000_000);
    prices[2] = Price(931_322_574);
    let limits = Limits([1, 1_000, 1 << 30, 0, 0, 1_000_000, 0, 0]);
    let bid = Bid {
        provider: Address::repeat_byte(2),
        tenant: Address::repeat_byte(3),
        token: Address::repeat_byte(1),
        order_hash: OrderHash(B256::ZERO),
        bid_epoch: 0,
        salt: 1,
        valid_until: Timestamp(0),
        start_window: 60,
        max_duration: 7_200,
        notice_period: 60,
        max_slash: Amount::ZERO,
        no_show_penalty: Amount::ZERO,
        min_deposit: Amount::ZERO,
        split_bps: BasisPoints::new(5_000).unwrap(),
        arbiter: Address::ZERO,
        prices: Prices(prices),
        limits,
    };
    let lease = Lease {
        tenant: bid.tenant,
        provider: bid.provider,
        signer: Address::repeat_byte(4),
        token: bid.token,
        started_at: Some(Timestamp(1_767_225_600)),
        end_at: Timestamp(1_767_225_600 + 7_200),
        last_as_of: Timestamp(1_767_225_600 + 300),
        rate_cap_e6: bid.rate_cap_e6().unwrap(),
        fee_bps: BasisPoints::new(100).unwrap(),
        balance: Amount(6_100),
        paid: Amount(900),
        ..testkit::lease()
    };
    let usage = Usage([990, 660_000, 660 << 30, 5 << 20, 0, 3 << 20, 0, 0]);
    let used = UsedResources {
        cpu_nanoseconds: Decimal(123_456_789_000),
        memory_byte_seconds: Decimal(300 << 30),
        network_rx_bytes: Decimal(7),
        network_tx_bytes: Decimal(9 << 20),
    };
    let published = UsageReport {
        as_of: 1_767_226_600,
        sequence: 4,
        allocated: ResourceUsage::from(&usage),
        used,
        meter_root: B256::repeat_byte(7),
    };
    Facts { id: LeaseId(B256::repeat_byte(0x1e)), lease, bid, published, signed: None }
}

fn signed() -> StatementProposal {
    StatementProposal {
        amount_cum: Decimal(1_500),
        as_of: 1_767_226_100,
        usage: ResourceUsage::from(&Usage([490, 500_000, 500 << 30, 0, 0, 1 << 20, 0, 0])),
        meter_root: B256::repeat_byte(8),
        usage_hash: B256::repeat_byte(9),
        last: false,
        settled_cum: Decimal(900),
    }
}

fn money() -> Money {
    Money { decimals: 6, symbol: "TEST".to_owned() }
}

#[test]
fn the_table_says_what_is_used_owed_left_and_until_when() {
    let report = report(&Facts { signed: Some(signed()), ..facts() });
    let expected = "\
RESOURCE    ALLOCATED   USED        SIGNED      UNIT       COST
uptime      990         -           490         s          0 TEST
cpu         660.000     123.456     500.000     CPU s      0.00132 TEST
memory      675840.000  307200.000  512000.000  MiB s      0.000659 TEST
storage     5.000       -           0.000       MiB s      0 TEST
gpu         0.000       -           0.000       GPU s      0 TEST
egress      3.000       9.000       1.000       MiB        0 TEST
leased_ips  0           -           0           address s  0 TEST
devices     0.000       -           0.000       device s   0 TEST

counted until  2026-01-01T00:16:40Z
cost           0.001979 TEST
signed         0.0015 TEST
settled        0.0009 TEST
balance        0.0061 TEST
remaining      0.005021 TEST
funded until   2026-01-01T00:38:53Z
spending       ▁█
";
    let shown: String = text(&report, &money(), Some("▁█".to_owned()))
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn csv_has_the_chains_own_units_and_nothing_where_nothing_is_measured() {
    let expected = "\
as_of,resource,allocated,signed,unit,used,used_unit,cost
1767226600,uptime,990,,SECONDS,,,0
";
    let shown = csv(&report(&facts()));
    let unit = Dimension::Uptime.unit();
    let first: String = shown.lines().take(2).map(|line| format!("{line}\n")).collect();
    assert_eq!(first, expected.replace("SECONDS", unit));
    assert_eq!(shown.lines().count(), 9);
}

#[test]
fn what_is_owed_beyond_the_balance_leaves_nothing_and_a_closed_lease_lasts_no_longer() {
    let poor = Lease { balance: Amount(1_000), ..facts().lease };
    let shown = serde_json::to_value(report(&Facts { lease: poor, ..facts() })).unwrap();
    assert_eq!((&shown["remaining"], &shown["balance"]), (&"0".into(), &"1000".into()));
    let closed = Lease { state: LeaseState::Closed, ..facts().lease };
    let shown = serde_json::to_value(report(&Facts { lease: closed, ..facts() })).unwrap();
    assert_eq!(shown["fundedUntil"], serde_json::Value::Null);
}

#[test]
fn figures_are_shown_in_units_that_people_use() {
    assert_eq!(human(Dimension::Cpu, 61_250), "61.250");
    assert_eq!(human(Dimension::Memory, 128 << 20), "128.000");
    assert_eq!(human(Dimension::Uptime, 61), "61");
    assert_eq!(thousandths(1_999_999, 1_000_000), "1.999");
}
