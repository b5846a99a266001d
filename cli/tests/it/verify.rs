//! `leasehold usage verify`: evidence is recomputed from its file alone.

use alloy_primitives::B256;
use gateway_api::{Decimal, ResourceUsage, SignedStatementBody, StatementProposal};
use market::Timestamp;
use serde_json::json;
use usage::{
    Book, ContainerState, ContainerView, LeaseView, Ledger, Millis, NodeView, PodView, ResourceLimits, Term,
    Trouble, bundle,
    rollup::Span,
    verify::{Evidence, Hour},
};

use crate::run::{Ran, Sandbox};

const LEASE: B256 = B256::repeat_byte(1);
const START: u64 = 1_699_999_200;

/// Two hours and a half of one pod, and the statement of its last second.
fn story() -> (Evidence, StatementProposal) {
    let mut book = Book::of(Ledger::new());
    book.set_term(Term { started_at: Timestamp(START), ends_at: None });
    let since = Millis::from_seconds(START);
    let state = ContainerState::Running { started_at: since, ready_since: Some(since) };
    let limits = ResourceLimits { cpu_milli: 250, ..ResourceLimits::default() };
    let container = ContainerView { name: "main".into(), limits, state, last_run: None };
    let pod = PodView {
        uid: "a".into(),
        service: "web".into(),
        containers: vec![container],
        overhead: ResourceLimits::default(),
        node: NodeView { alive_until: Millis(u64::MAX), boot: None },
        trouble: Trouble::None,
    };
    let view = LeaseView { pods: vec![pod], ..LeaseView::default() };
    let (mut hours, mut fives) = (Vec::new(), Vec::new());
    for second in (START..=START + 9000).step_by(100) {
        book.observe(LEASE, Millis::from_seconds(second), &view);
        for closed in book.take_closed() {
            match closed.rollup.span {
                Span::Hour => hours.push(Hour::from(closed)),
                Span::FiveMinutes => fives.push(closed.rollup),
            }
        }
    }
    let cut = book.cut().unwrap();
    let (usage, as_of, meter_root) = (book.totals().allocated, book.as_of(), book.meter_root());
    let proposal = StatementProposal {
        amount_cum: Decimal(1),
        as_of: as_of.0,
        usage: ResourceUsage::from(&usage),
        meter_root,
        usage_hash: usage::usage_hash(&usage, as_of, meter_root),
        last: false,
        settled_cum: Decimal(0),
    };
    (Evidence { lease: LEASE, hours, fives, cut }, proposal)
}

fn refused(ran: &Ran, why: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(8), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
}

#[test]
fn a_statement_follows_from_its_evidence_and_from_no_other() {
    let sandbox = Sandbox::new();
    let (evidence, proposal) = story();
    let text = bundle::write(&evidence).unwrap();
    sandbox.write("bundle", &text);
    sandbox.write("statement.json", &serde_json::to_string(&proposal).unwrap());
    let ran = sandbox.run(&["usage", "verify", "bundle", "--statement", "statement.json", "-o", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = json!({
        "leaseId": LEASE, "meterRoot": proposal.meter_root, "allocated": proposal.usage,
        "hours": 2, "fiveMinutes": 30, "fromTheBeginning": true, "recomputedSince": START,
        "statementProved": true,
    });
    assert_eq!(report, expected);

    // As CSV it is the series that was proved, to the statement's second. A span ends with the last look in it.
    let csv = sandbox.run(&["usage", "verify", "bundle", "--statement", "statement.json", "-o", "csv"]);
    let lines: Vec<&str> = csv.stdout.lines().collect();
    let header = "span,start,until,uptime,cpu,memory,storage,gpu,egress,leased_ips,devices,used_cpu_ns,used_memory_byte_s,\
        network_rx_byte,network_tx_byte";
    assert_eq!((csv.code, lines.len(), lines[0]), (Some(0), 1 + 3 + 31, header));
    let first = format!("hour,{START},{},0,{},0,0,0,0,0,0,0,0,0,0", START + 3500, 3500 * 250);
    let last = format!("five_minutes,{0},{0},0,{1},0,0,0,0,0,0,0,0,0,0", START + 9000, 9000 * 250);
    assert_eq!((lines[1], lines[34]), (first.as_str(), last.as_str()));

    let verify = |bundle: &str, statement: &StatementProposal| {
        sandbox.write("other", bundle);
        sandbox.write("statement.json", &serde_json::to_string(statement).unwrap());
        sandbox.run(&["usage", "verify", "other", "--statement", "statement.json"])
    };
    let changed = text.replacen("25000000", "25000001", 1);
    assert_ne!(changed, text);
    refused(&verify(&changed, &proposal), "the evidence does not hold");
    // A life that does not make the sum of its hour, with the hashes of one that signs it so.
    let mut lying = evidence.clone();
    let told = lying.cut.lives.as_mut().unwrap();
    told[0].stretches[0].millis -= 1000;
    lying.cut.hour.lives = Some(usage::lives::root(told));
    let why = format!(
        "in the hour of {} container main of pod a is said to have had 475000000 of cpu, and its life makes",
        START + 7200
    );
    refused(&verify(&bundle::write(&lying).unwrap(), &proposal), &why);
    let short = text.lines().filter(|line| !line.contains("cut")).collect::<Vec<_>>().join("\n");
    refused(&verify(&short, &proposal), "the bundle ends early");
    let more = ResourceUsage { cpu_milli_seconds: Decimal(2_250_001), ..proposal.usage };
    let other = StatementProposal { usage: more, ..proposal };
    refused(&verify(&text, &other), "does not add up to the usage of the statement");
    let other = StatementProposal { meter_root: B256::ZERO, ..proposal };
    refused(&verify(&text, &other), "the statement was made from");
    let other = StatementProposal { as_of: proposal.as_of + 1, ..proposal };
    refused(&verify(&text, &other), "do not have the hash that was signed");
}

#[test]
fn without_a_file_it_is_the_newest_statement_that_was_signed_here() {
    let sandbox = Sandbox::new();
    let (evidence, proposal) = story();
    sandbox.write("bundle", &bundle::write(&evidence).unwrap());
    let ran = sandbox.run(&["usage", "verify", "bundle"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("none to compare with"), "{}", ran.stdout);
    let StatementProposal { amount_cum, as_of, usage_hash, last, .. } = proposal;
    let signed = SignedStatementBody { amount_cum, as_of, usage_hash, last, r: B256::ZERO, vs: B256::ZERO };
    let file = format!("home/leases/{LEASE}.signed.json");
    std::fs::create_dir_all(sandbox.path("home/leases")).unwrap();
    sandbox.write(&file, &json!({"proposal": proposal, "signed": signed}).to_string());
    assert!(sandbox.run(&["usage", "verify", "bundle"]).stdout.contains("proved"));
    let other = StatementProposal { meter_root: B256::ZERO, ..proposal };
    sandbox.write(&file, &json!({"proposal": other, "signed": signed}).to_string());
    refused(&sandbox.run(&["usage", "verify", "bundle"]), "the statement was made from");
}
