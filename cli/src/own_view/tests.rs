//! What of an outage is held against a provider.

use alloy_primitives::B256;
use gateway_api::Decimal;

use super::*;

const INTERVAL: u64 = 30;
const GRACE: u64 = 78;

fn watched(name: &str, cpu: u64) -> Watched {
    Watched {
        service: name.parse().unwrap(),
        port: 8080,
        path: "/".to_owned(),
        grace: GRACE,
        held: [(Dimension::Cpu, cpu), (Dimension::Memory, 10 * cpu), (Dimension::Gpu, 0)],
    }
}

fn lease() -> Lease {
    Lease { end_at: Timestamp(100_000), ..testkit::lease() }
}

/// Probes every thirty seconds from `from` on, one for each letter: up, down, or not known; a dot is no round at all.
fn probe(view: &mut OwnView, from: u64, watched: &[Watched], letters: &[&str]) {
    let rounds = letters.iter().map(|letters| letters.len()).max().unwrap();
    for round in 0..rounds {
        let mut sights = BTreeMap::new();
        for (watched, letters) in watched.iter().zip(letters) {
            let sight = match letters.as_bytes()[round] {
                b'u' => Sight::Up,
                b'd' => Sight::Down,
                b'?' => Sight::Unknown,
                _ => continue,
            };
            sights.insert(watched.service.to_string(), sight);
        }
        if !sights.is_empty() {
            view.observe(Timestamp(from + INTERVAL * round as u64), INTERVAL, watched, &sights);
        }
    }
}

fn held(letters: &str) -> u64 {
    let (mut view, watched) = (OwnView::default(), [watched("web", 100)]);
    probe(&mut view, 10_000, &watched, &[letters]);
    view.summary().iter().map(|service| service.down).sum()
}

#[test]
fn an_outage_counts_between_failed_probes_after_its_grace_and_nothing_else_does() {
    // Eleven probes in a row span three hundred seconds.
    assert_eq!(held("ddddddddddd"), 300 - GRACE);
    assert_eq!(held("uddddddddddduu"), 300 - GRACE);
    assert_eq!(held("ddd"), 0);
    assert_eq!(held("dddd"), 90 - GRACE);
    // What is not known, and rounds that were missed, begin a new run.
    assert_eq!(held("dddd?dddd"), 2 * (90 - GRACE));
    assert_eq!(held("dddd..dddd"), 2 * (90 - GRACE));
    // A single round that came late or never is bridged.
    assert_eq!(held("dddd.dddd"), 240 - GRACE);
    assert_eq!(held("dudududududududud"), 0);
    assert_eq!(held("????????????????"), 0);
}

#[test]
fn every_second_is_answered_held_or_unknown() {
    let (mut view, watched) = (OwnView::default(), [watched("web", 100)]);
    probe(&mut view, 10_000, &watched, &["uuuudddddd??u..u"]);
    let expected =
        ServiceSeconds { service: "web".to_owned(), up: 90, down: 150 - GRACE, unknown: 210 + GRACE };
    assert_eq!(view.summary(), [expected]);
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<OwnView>(&text).unwrap(), view);
}

#[test]
fn a_clock_that_goes_back_counts_nothing_twice() {
    let (mut view, watched) = (OwnView::default(), [watched("web", 100)]);
    probe(&mut view, 10_000, &watched, &["ddddddddddd"]);
    probe(&mut view, 9_000, &watched, &["ddddddddddd"]);
    probe(&mut view, 10_060, &watched, &["ddddddddddd"]);
    let down = view.summary().iter().map(|service| service.down).sum::<u64>();
    assert_eq!(down, 300 - GRACE + 60);
}

#[test]
fn what_is_allowed_is_the_limits_less_what_the_services_hold_while_they_are_down() {
    let watched = [watched("db", 400), watched("web", 100)];
    let mut view = OwnView::default();
    let limits = Limits([1, 600, 6_000, 50, 0, 70, 2, 3]);
    let nothing = Observed { view: &view, watched: &watched }.allowed(&limits, &lease(), Timestamp(2_000));
    let counted = 1_000 + u128::from(METER_LAG_SECONDS);
    let full = Usage(limits.0.map(|limit| u128::from(limit) * counted));
    assert_eq!(nothing, full);

    // The data base is down from the first probe to the last, the web server from the sixth.
    probe(&mut view, 1_400, &watched, &["ddddddddddd", "uuuuudddddd"]);
    let (db, web) = (300 - u128::from(GRACE), 150 - u128::from(GRACE));
    let observed = Observed { view: &view, watched: &watched };
    let allowed = observed.allowed(&limits, &lease(), Timestamp(2_000));
    let mut expected = full;
    expected.0[0] -= db;
    expected.0[1] -= 400 * db + 100 * web;
    expected.0[2] -= 4_000 * db + 1_000 * web;
    expected.0[6] -= 2 * db;
    assert_eq!(allowed, expected);

    // A statement up to the middle of it is judged by what lies before.
    let middle = observed.allowed(&limits, &lease(), Timestamp(1_578));
    assert_eq!(middle.of(Dimension::Uptime), 578 + u128::from(METER_LAG_SECONDS) - 100);
    // What lies before the start or after the end of the lease is nobody's loss.
    let later = Lease { started_at: Some(Timestamp(1_700)), ..lease() };
    let after = observed.allowed(&limits, &later, Timestamp(2_000));
    assert_eq!(after.of(Dimension::Uptime), 300 + u128::from(METER_LAG_SECONDS));
    let ended = Lease { end_at: Timestamp(1_478), ..lease() };
    let before = observed.allowed(&limits, &ended, Timestamp(2_000));
    assert_eq!(before.of(Dimension::Uptime), 478 + u128::from(METER_LAG_SECONDS));
}

#[test]
fn the_newest_proposal_is_the_providers_own_word() {
    let proposal = |as_of, cpu| StatementProposal {
        amount_cum: Decimal(1),
        as_of,
        usage: ResourceUsage::from(&Usage([0, cpu, 0, 0, 0, 0, 0, 0])),
        meter_root: B256::ZERO,
        usage_hash: B256::ZERO,
        last: false,
        settled_cum: Decimal(0),
    };
    let mut view = OwnView::default();
    for (as_of, cpu) in [(10, 1), (30, 3), (20, 9), (41, 7)] {
        view.propose(&proposal(as_of, cpu), Timestamp(40));
    }
    let observed = Observed { view: &view, watched: &[] };
    assert_eq!(observed.proposed(), Some((Usage([0, 3, 0, 0, 0, 0, 0, 0]), Timestamp(30))));
}

#[test]
fn only_services_that_are_probed_over_http_on_a_port_of_the_tenants_can_be_judged() {
    let text = "\
version: v1
name: shop
duration: 1h
services:
  api:
    image: registry.example/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    resources: {cpu: 250m, memory: 64Mi}
    replicas: 2
    ports: [{port: 80, expose: public}]
    readiness: {httpGet: {port: 80, path: /ready}, periodSeconds: 10, timeoutSeconds: 2, failureThreshold: 4}
  cache:
    image: registry.example/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    resources: {cpu: 100m, memory: 64Mi}
    ports: [{port: 6379, expose: tenant}]
    readiness: {tcpSocket: {port: 6379}}
  inner:
    image: registry.example/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    resources: {cpu: 100m, memory: 64Mi}
    ports: [{port: 80}]
    readiness: {httpGet: {port: 80}}
  plain:
    image: registry.example/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    resources: {cpu: 100m, memory: 64Mi}
    ports: [{port: 80, expose: tenant}]
";
    let source = manifest::parse_source(text, "shop.yaml", &manifest::Variables::default()).unwrap();
    let manifest = manifest::validate(&source.manifest).unwrap();
    let expected = Watched {
        service: "api".parse().unwrap(),
        port: 80,
        path: "/ready".to_owned(),
        grace: 60 + 12 * 4,
        held: [(Dimension::Cpu, 500), (Dimension::Memory, 128 << 20), (Dimension::Gpu, 0)],
    };
    assert_eq!(super::watched::watched(&manifest), [expected]);
}
