use alloy_primitives::B256;
use gateway_api::Decimal;

use super::*;
use crate::command::usage::payments::tests::lease;
use crate::command::usage::resources::tests::stretch;
use crate::moment::Moment;

fn history(usage: Option<Vec<Counted>>) -> History {
    let payment = Interval {
        from: 1_000,
        to: 1_060,
        amount: Decimal(10),
        cumulative: Decimal(15),
        transaction: Some(B256::repeat_byte(3)),
    };
    let unpaid = Interval { transaction: None, ..payment };
    History { usage, payments: vec![payment, unpaid] }
}

#[test]
fn csv_has_what_was_counted_and_what_was_paid_in_the_chains_units() {
    let hash = B256::repeat_byte(3);
    let expected = format!(
        "record,from,to,uptime,cpu,memory,storage,gpu,egress,leased_ips,devices,used_cpu_ns,used_memory_byte_s,\
         network_rx_byte,network_tx_byte,amount,cumulative,transaction\n\
         usage,1000,1030,2,4000,6291456,8388608,0,12582912,0,0,2000000000,2097152,22,24,,,\n\
         payment,1000,1060,,,,,,,,,,,,,10,15,{hash}\n\
         payment,1000,1060,,,,,,,,,,,,,10,15,\n"
    );
    assert_eq!(csv(&history(Some(vec![stretch(1_000, 1_030, 2)]))), expected);
    assert_eq!(csv(&history(None)).lines().count(), 3);
}

#[test]
fn a_provider_without_a_series_is_said_to_have_none_beside_the_payments() {
    let money = Money { decimals: 6, symbol: "TEST".to_owned() };
    let shown = text(&history(None), &money, Bars::Left);
    let words: Vec<&str> = shown.split_whitespace().take(9).collect();
    assert_eq!(words.join(" "), "this provider keeps no history of usage FROM TO");
    let json = serde_json::to_value(history(None)).unwrap();
    assert_eq!((&json["usage"], json["payments"].as_array().unwrap().len()), (&serde_json::Value::Null, 2));
}

#[test]
fn people_get_no_more_stretches_than_they_can_look_at_and_programs_get_all() {
    let (lease, moment) = (lease(Some(1_000)), |seconds| Some(Moment(Timestamp(seconds))));
    let ask = |form, from, to| query(form, Period { from, to }, &lease, Timestamp(1_000 + 86_400));
    let day = SeriesQuery { from: None, to: Some(u64::MAX), step: Some(7_200) };
    assert_eq!(ask(Form::Table, None, moment(u64::MAX)), day);
    let short = SeriesQuery { from: Some(2_000), to: Some(2_001), step: Some(300) };
    assert_eq!(ask(Form::Table, moment(2_000), moment(2_001)), short);
    for form in [Form::Json, Form::Csv] {
        assert_eq!(ask(form, moment(5), None), SeriesQuery { from: Some(5), to: None, step: None });
    }
}
