//! The example files are the documentation of the configuration, so they must load.

use super::*;

const MINIMAL: &str = include_str!("../../config-minimal.toml");
const MAXIMAL: &str = include_str!("../../config-maximal.toml");

fn failure(text: &str) -> String {
    Config::parse(text).expect_err("the text must be refused").to_string()
}

#[test]
fn the_minimal_example_takes_every_default() {
    let config = Config::parse(MINIMAL).unwrap();
    assert_eq!(config.terms, Terms::default());
    assert_eq!(config.offer, Offer::default());
    assert_eq!(config.limits, Limits::default());
    assert_eq!((config.bidding, &config.filter), (Bidding::default(), &Filter::default()));
    assert_eq!(config.settlement, Settlement::default());
    assert_eq!(config.kubernetes, Kubernetes::default());
    assert_eq!(config.admin, Admin::default());
    assert_eq!((&config.series, config.series.settings()), (&Series::default(), None));
    assert_eq!(config.chain.deployment_file, Some("/etc/leasehold/deployment.json".into()));
}

#[test]
fn the_maximal_example_sets_every_key() {
    let config = Config::parse(MAXIMAL).unwrap();
    let document: toml::Table = MAXIMAL.parse().unwrap();
    let keys = |section: &str| document[section].as_table().unwrap().len();
    // The numbers of fields; a new field that the example lacks changes them.
    assert_eq!(
        ["chain", "provider", "gateway", "kubernetes", "admin", "pricing"].map(keys),
        [8, 2, 7, 5, 1, 10]
    );
    assert_eq!(["terms", "offer", "limits", "settlement", "resync", "series"].map(keys), [11, 3, 5, 8, 1, 3]);
    assert_eq!(["bidding", "filter"].map(keys), [2, 6]);
    assert_eq!(config.bidding.no_leases_past, Some(Moment(1_803_880_800)));
    assert_eq!(document["settlement"]["gate"].as_table().unwrap().len(), 5);
    assert_eq!(config.chain.deployment.map(|deployment| deployment.token_decimals), Some(6));
    assert_eq!(config.pricing.cpu_core_hour, Some(Decimal { mantissa: 1, scale: 2 }));
}

#[test]
fn a_suspended_lease_is_given_up_after_a_time_or_never() {
    let gate = |text: &str| {
        Config::parse(&format!("{MINIMAL}\n[settlement.gate]\n{text}")).map(|c| c.settlement.gate)
    };
    assert_eq!(gate("").unwrap(), Gate::default());
    assert_eq!(gate("reclaim_after = \"never\"").unwrap().reclaim_after, ReclaimAfter::Never);
    let after = ReclaimAfter::After(Seconds(7200));
    assert_eq!(gate("reclaim_after = \"2h\"").unwrap().reclaim_after, after);
    assert_eq!(gate("suspend = \"disabled\"").unwrap().suspend, Suspending::Disabled);
    for text in ["reclaim_after = \"ever\"", "suspend = \"on\"", "suspend = true", "most = \"1\""] {
        assert!(gate(text).is_err(), "{text}");
    }
}

#[test]
fn an_unknown_key_is_an_error_with_its_path() {
    let text = MINIMAL.replace("[pricing]", "[pricing]\ncpu_core_our = \"1\"");
    let message = failure(&text);
    assert!(
        message.starts_with("failed to parse the configuration at pricing.cpu_core_our: TOML parse error"),
        "{message}"
    );
}

#[test]
fn a_price_that_is_a_float_is_refused_with_its_path() {
    let text = MINIMAL.replace("cpu_core_hour = \"0.01\"", "cpu_core_hour = 0.01");
    assert!(failure(&text).starts_with("failed to parse the configuration at pricing.cpu_core_hour: "));
}

#[test]
fn contradictions_name_the_key_and_the_way_out() {
    let cases = [
        (
            MINIMAL.replace("deployment_file", "# deployment_file"),
            "chain: give exactly one of deployment_file and deployment",
        ),
        (
            MINIMAL.replace("rpc_url", "further_rpc_urls = [\"http://127.0.0.1:8545\"]\nrpc_url"),
            "chain.further_rpc_urls: must not name rpc_url again: it would have two votes",
        ),
        (
            MINIMAL.replace("rpc_url", "rpc_quorum = 2\nrpc_url"),
            "chain.rpc_quorum: must be at least 1, and at most the number of nodes",
        ),
        (
            MINIMAL.replace("rpc_url", "rpc_quorum = 0\nrpc_url"),
            "chain.rpc_quorum: must be at least 1, and at most the number of nodes",
        ),
        (
            MINIMAL.replace("https://", "http://"),
            "gateway.public_url: must be https://HOST or https://HOST:PORT",
        ),
        (
            MINIMAL.replace("cpu_core_hour", "lease_hour"),
            "pricing: cpu_core_hour and memory_gib_hour are required",
        ),
        (
            MINIMAL.replace("[gateway]", "[gateway]\ncertificate_file = \"/tls.crt\""),
            "gateway: give both certificate_file and key_file, or neither",
        ),
        (
            format!("{MINIMAL}\n[terms]\nstart_window = \"60s\"\ndecline_margin = \"60s\"\n"),
            "terms.decline_margin: must be shorter than terms.start_window",
        ),
        (
            format!("{MINIMAL}\n[settlement.gate]\nlater = \"59s\"\n"),
            "settlement.gate: first and later must be at least 60s, or nobody could sign in time",
        ),
        (
            format!("{MINIMAL}\n[series]\nfive_minutes = \"59m\"\n"),
            "series.five_minutes: must be between 1h and 31d",
        ),
        (
            format!("{MINIMAL}\n[series]\nhours = \"47h\"\n"),
            "series.hours: must be at least series.five_minutes, and at most 732d",
        ),
        (
            format!("{MINIMAL}\n[filter]\nmax_exposure = \"10\"\n"),
            "filter: max_exposure and daily_bid_budget add up terms.max_slash, so with 0 they would bound nothing",
        ),
        (format!("{MINIMAL}\n[offer]\ntiers = []\n"), "offer.tiers: offer at least one tier"),
    ];
    for (text, reason) in cases {
        assert_eq!(failure(&text), format!("the configuration contradicts itself at {reason}"));
    }
}
