//! Published usage is handed on to be remembered.

use super::leases::usage;
use super::*;
use crate::series::{Owners, Point, Seen};

fn running() -> State {
    let (mut state, _) = with_open_lease();
    step(&mut state, read(lease(LeaseState::Active)), NOW);
    state
}

fn publishing(as_of: u64) -> ComputeLease {
    let status = ComputeLeaseStatus { usage: Some(metered(Timestamp(as_of), usage())), ..ready_status(1) };
    stored(spec(crd::DesiredState::Running, Some((NOW.0, NOW.0 + 7200))), 1, Some(status))
}

fn kept(effects: &[Effect]) -> Vec<Seen> {
    let kept = effects.iter().filter_map(|effect| match effect {
        Effect::KeepUsage(seen) => Some(**seen),
        _ => None,
    });
    kept.collect()
}

#[test]
fn each_publication_is_handed_on_once_with_who_may_see_it() {
    let mut state = running();
    let seen = |as_of: u64| Seen {
        lease: id(),
        owners: Owners { tenant: bid().tenant, signer: SESSION },
        point: Point::try_from(&metered(Timestamp(as_of), usage())).unwrap(),
    };
    for as_of in [NOW.0 + 30, NOW.0 + 60] {
        assert_eq!(kept(&step(&mut state, observed(publishing(as_of)), NOW)), [seen(as_of)]);
        assert_eq!(kept(&step(&mut state, observed(publishing(as_of)), NOW)), []);
        assert_eq!(kept(&step(&mut state, Event::Tick, NOW)), []);
    }
    // A lease that is over and whose object goes in the same moment is remembered to its end.
    step(&mut state, observed(publishing(NOW.0 + 90)), NOW);
    let mut last = publishing(NOW.0 + 99);
    last.metadata.deletion_timestamp = Some(Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(kept(&step(&mut state, observed(last), NOW)), [seen(NOW.0 + 99)]);
}

#[test]
fn what_is_observed_before_the_chain_is_read_is_handed_on_afterwards() {
    let mut state = ready();
    step(&mut state, opened(), NOW);
    assert_eq!(kept(&step(&mut state, observed(publishing(NOW.0 + 30)), NOW)), []);
    assert_eq!(kept(&step(&mut state, read(lease(LeaseState::Active)), NOW)).len(), 1);
}

#[test]
fn usage_that_is_none_is_told_once() {
    let mut state = running();
    let mut object = publishing(NOW.0 + 30);
    let usage = object.status.as_mut().and_then(|status| status.usage.as_mut()).unwrap();
    usage.used.network_tx_bytes = "-1".into();
    let told = Effect::Record(Record::UnreadableUsage { lease: id() });
    assert!(step(&mut state, observed(object.clone()), NOW).contains(&told));
    assert!(!step(&mut state, observed(object), NOW).contains(&told));
}
