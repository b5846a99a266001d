use super::*;
use crate::deploy::Params;

const PRODUCTION: &str = include_str!("../../../../../contracts/deployments/params/example.yaml");
const ANVIL: &str = include_str!("../../../../../contracts/deployments/params/anvil.yaml");

fn production() -> Params {
    Params::parse(PRODUCTION).unwrap().params
}

fn test_chain() -> Params {
    Params::parse(ANVIL).unwrap().params
}

fn fields(params: &Params) -> Vec<String> {
    problems(params).into_iter().map(|problem| problem.field).collect()
}

type Change = fn(&mut Params);

#[test]
fn the_examples_are_within_the_bounds() {
    assert_eq!(problems(&production()), []);
    assert_eq!(problems(&test_chain()), []);
}

#[test]
fn each_bound_of_every_chain_is_checked_just_outside_and_holds_just_inside() {
    let day = 86_400;
    let cases: [(&str, Change, Change); 20] = [
        ("chainId", |p| p.chain_id = 0, |p| p.chain_id = u64::MAX),
        ("testChain", |p| p.chain_id = 8453, |p| p.chain_id = 84_532),
        ("confirmations", |p| p.confirmations = 0, |p| p.confirmations = 1),
        ("confirmations", |p| p.confirmations = 1001, |p| p.confirmations = 1000),
        ("feeBps", |p| p.fee_bps = 501, |p| p.fee_bps = 500),
        (
            "minBond",
            |p| p.min_bond = "0 tUSD".parse().unwrap(),
            |p| p.min_bond = "0.000001 tUSD".parse().unwrap(),
        ),
        (
            "minBond",
            |p| p.min_bond = "0.0000001 tUSD".parse().unwrap(),
            |p| p.min_bond = "340282366920938463463374607431768.211455 tUSD".parse().unwrap(),
        ),
        (
            "minBond",
            |p| p.min_bond = "340282366920938463463374607431768.211456 tUSD".parse().unwrap(),
            |p| p.min_bond = "1 tUSD".parse().unwrap(),
        ),
        ("minBond", |p| p.min_bond = "1 USDC".parse().unwrap(), |p| p.min_bond = "1 tUSD".parse().unwrap()),
        ("unbondDelay", |p| p.unbond_delay = Span(0), |p| p.unbond_delay = Span(1)),
        ("unbondDelay", |p| p.unbond_delay = Span(365 * 86_400 + 1), |p| p.unbond_delay = Span(365 * 86_400)),
        ("windows.claim", |p| p.windows.claim = Span(0), |p| p.windows.claim = Span(1)),
        ("windows.dispute", |p| p.windows.dispute = Span(0), |p| p.windows.dispute = Span(1)),
        (
            "windows.dispute",
            |p| p.windows.dispute = Span(365 * 86_400 + 1),
            |p| p.windows.dispute = Span(365 * 86_400),
        ),
        (
            "windows.arbiter",
            |p| p.windows.arbiter = Span(365 * 86_400 + 1),
            |p| p.windows.arbiter = Span(365 * 86_400),
        ),
        (
            "windows.arbiter",
            |p| p.windows.arbiter = p.windows.claim,
            |p| p.windows.arbiter = Span(p.windows.claim.0 + 1),
        ),
        ("tokens[0].decimals", |p| p.tokens[0].decimals = 5, |p| p.tokens[0].decimals = 6),
        ("tokens[0].decimals", |p| p.tokens[0].decimals = 19, |p| p.tokens[0].decimals = 18),
        (
            "administration.adminDelay",
            |p| p.administration.admin_delay = Span(365 * 86_400 + 1),
            |p| p.administration.admin_delay = Span(0),
        ),
        ("treasury", |p| p.treasury = p.bond_token, |p| p.treasury = p.deployer),
    ];
    assert_eq!(day * 365, MAX_WINDOW.0);
    for (index, (field, outside, inside)) in cases.into_iter().enumerate() {
        let (mut bad, mut good) = (test_chain(), test_chain());
        outside(&mut bad);
        inside(&mut good);
        assert_eq!(fields(&bad), [field], "case {index}");
        assert_eq!(problems(&good), [], "case {index}");
    }
}

#[test]
fn a_window_beyond_every_bound_is_named_for_each() {
    let mut params = test_chain();
    params.windows.claim = Span(365 * 86_400 + 1);
    assert_eq!(fields(&params), ["windows.claim", "windows.arbiter"]);
}

#[test]
fn tokens_must_be_there_distinct_and_named() {
    let cases: [(&[&str], Change); 7] = [
        (&["bondToken", "tokens"], |p| p.tokens.clear()),
        (&["bondToken"], |p| p.bond_token = Address::repeat_byte(0x77)),
        (&["tokens[1].address", "tokens[1].symbol"], |p| p.tokens.push(p.tokens[0].clone())),
        (&["tokens[0].symbol", "minBond"], |p| p.tokens[0].symbol = String::new()),
        (&["tokens[1].symbol"], |p| {
            let mut other = p.tokens[0].clone();
            other.address = Address::repeat_byte(0x77);
            p.tokens.push(other);
        }),
        (&["tokens[1].address"], |p| {
            let mut other = p.tokens[0].clone();
            (other.address, other.symbol) = (Address::ZERO, "NONE".to_owned());
            p.tokens.push(other);
        }),
        (&["tokens"], |p| {
            for index in 0..255u32 {
                let mut other = p.tokens[0].clone();
                let mut address = [0x70; 20];
                address[..4].copy_from_slice(&index.to_be_bytes());
                (other.address, other.symbol) = (address.into(), format!("T{index}"));
                p.tokens.push(other);
            }
        }),
    ];
    for (expected, change) in cases {
        let mut params = test_chain();
        change(&mut params);
        let (mut found, mut expected) = (fields(&params), expected.to_vec());
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[test]
fn no_account_may_be_zero() {
    let cases: [(&str, Change); 4] = [
        ("deployer", |p| p.deployer = Address::ZERO),
        ("treasury", |p| p.treasury = Address::ZERO),
        ("administration.admin", |p| p.administration.admin = Address::ZERO),
        ("administration.guardian", |p| p.administration.guardian = Address::ZERO),
    ];
    for (field, change) in cases {
        let mut params = test_chain();
        change(&mut params);
        assert_eq!(fields(&params), [field]);
    }
    let mut params = test_chain();
    params.bond_token = Address::ZERO;
    params.tokens[0].address = Address::ZERO;
    assert_eq!(fields(&params), ["bondToken", "tokens[0].address"]);
}

#[test]
fn each_bound_of_production_holds_at_the_bound_and_not_below_and_never_on_a_test_chain() {
    let cases: [(&str, Change, Change); 9] = [
        ("windows.claim", |p| p.windows.claim = Span(36 * 3600 - 1), |p| p.windows.claim = Span(36 * 3600)),
        (
            "windows.dispute",
            |p| p.windows.dispute = Span(48 * 3600 - 1),
            |p| p.windows.dispute = Span(48 * 3600),
        ),
        (
            "windows.arbiter",
            |p| p.windows.arbiter = Span(7 * 86_400 - 1),
            |p| p.windows.arbiter = Span(7 * 86_400),
        ),
        (
            "windows.arbiter",
            |p| {
                (p.windows.claim, p.unbond_delay) =
                    (Span(p.windows.arbiter.0 - 3 * 86_400 + 1), Span(99 * 86_400))
            },
            |p| {
                (p.windows.claim, p.unbond_delay) =
                    (Span(p.windows.arbiter.0 - 3 * 86_400), Span(99 * 86_400))
            },
        ),
        (
            "unbondDelay",
            |p| p.unbond_delay = Span((36 + 48 + 7 * 24) * 3600 - 1),
            |p| p.unbond_delay = Span((36 + 48 + 7 * 24) * 3600),
        ),
        (
            "administration.adminDelay",
            |p| p.administration.admin_delay = Span(48 * 3600 - 1),
            |p| p.administration.admin_delay = Span(48 * 3600),
        ),
        ("treasury", |p| p.treasury = p.deployer, |p| p.treasury = p.administration.admin),
        (
            "administration.admin",
            |p| p.administration.admin = p.deployer,
            |p| p.administration.admin = p.treasury,
        ),
        (
            "administration.guardian",
            |p| p.administration.guardian = p.administration.admin,
            |p| p.administration.guardian = p.treasury,
        ),
    ];
    for (field, outside, inside) in cases {
        let (mut bad, mut good) = (production(), production());
        outside(&mut bad);
        inside(&mut good);
        assert_eq!(fields(&bad), [field]);
        assert_eq!(problems(&good), []);
        (bad.test_chain, bad.chain_id) = (true, 31_337);
        assert_eq!(problems(&bad), []);
    }
    let mut params = production();
    params.administration.guardian = params.deployer;
    assert_eq!(fields(&params), ["administration.guardian"]);
}

#[test]
fn a_problem_names_field_value_bound_and_reason() {
    let mut params = production();
    params.administration.admin_delay = Span(3600);
    let printed: Vec<String> = problems(&params).iter().map(ToString::to_string).collect();
    assert_eq!(
        printed,
        [
            "administration.adminDelay is 1h, but must be at least 2d: whoever does not want a change must have time to \
          see it and to leave"
        ]
    );
}
