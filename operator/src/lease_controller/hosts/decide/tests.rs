use crd::ComputeLeaseRef;
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000;
const HOUR: i64 = 3_600;
const PATIENCE: Patience =
    Patience { cooldown: SignedDuration::from_hours(24), grace: SignedDuration::from_hours(1) };

/// The claim of lease `lease` of tenant `tenant`.
fn claim(lease: u8, tenant: u8) -> HostClaimSpec {
    HostClaimSpec {
        host: "shop.example.com".to_owned(),
        lease_id: format!("0x{}", format!("{lease:02x}").repeat(32)),
        compute_lease: ComputeLeaseRef { name: format!("lease-{lease}"), uid: format!("uid-{lease}") },
        tenant: format!("0x{}", format!("{tenant:02x}").repeat(20)),
        service: "web".to_owned(),
        port: 8080,
        unproven_since: None,
        released_at: None,
    }
}

fn decided(found: Option<&HostClaimSpec>, wanted: &HostClaimSpec, proof: Proof, now: i64) -> Verdict {
    decide(found, wanted, proof, PATIENCE, now)
}

fn reason_of(verdict: &Verdict) -> &'static str {
    match verdict.state {
        HostState::Held => "Held",
        HostState::Withheld { reason, .. } => reason,
    }
}

#[test]
fn a_free_host_goes_to_a_lease_with_proof_and_to_no_other() {
    let wanted = claim(1, 1);
    let held = Verdict { write: Some(wanted.clone()), state: HostState::Held };
    assert_eq!(decided(None, &wanted, Proof::Proven, NOW), held);
    let message = format!("set the DNS record _leasehold.shop.example.com. TXT \"{}\"", wanted.lease_id);
    assert_eq!(
        decided(None, &wanted, Proof::Absent, NOW),
        Verdict { write: None, state: HostState::Withheld { reason: "HostNotProven", message } }
    );
    let unknown = decided(None, &wanted, Proof::Unknown, NOW);
    assert_eq!((reason_of(&unknown), unknown.write), ("HostUnchecked", None));
}

#[test]
fn a_host_that_is_held_is_taken_whatever_others_prove() {
    let found = claim(1, 1);
    for wanted in
        [claim(2, 1), claim(2, 2), HostClaimSpec { compute_lease: claim(2, 1).compute_lease, ..claim(1, 1) }]
    {
        let verdict = decided(Some(&found), &wanted, Proof::Proven, NOW);
        assert_eq!((reason_of(&verdict), verdict.write), ("HostTaken", None));
    }
}

#[test]
fn a_released_host_cools_down_for_everybody_but_its_tenant() {
    let found = release(&claim(1, 1), NOW).unwrap();
    let others = claim(2, 2);
    for (later, reason) in [(0, "HostCoolingDown"), (24 * HOUR - 1, "HostCoolingDown"), (24 * HOUR, "Held")] {
        let verdict = decided(Some(&found), &others, Proof::Proven, NOW + later);
        assert_eq!(reason_of(&verdict), reason, "{later}");
    }
    let own = claim(2, 1);
    let held = Verdict { write: Some(own.clone()), state: HostState::Held };
    assert_eq!(decided(Some(&found), &own, Proof::Proven, NOW), held);
    assert!(!is_forgotten(&found, PATIENCE, NOW + 24 * HOUR - 1));
    assert!(is_forgotten(&found, PATIENCE, NOW + 24 * HOUR));
    assert!(!is_forgotten(&claim(1, 1), PATIENCE, i64::MAX));
    assert_eq!(release(&found, NOW + 1), None);
}

/// The domain's DNS still leads to the provider, and its record still names the lease that is over.
#[test]
fn a_stale_record_gives_the_host_to_nobody_even_after_the_cool_down() {
    let found = release(&claim(1, 1), NOW).unwrap();
    let thief = claim(2, 2);
    for later in [0, 24 * HOUR, 24 * 365 * HOUR] {
        let verdict = decided(Some(&found), &thief, Proof::Absent, NOW + later);
        assert_eq!(verdict.write, None);
        assert_ne!(verdict.state, HostState::Held);
    }
    // The claim is swept by then.
    assert_eq!(reason_of(&decided(None, &thief, Proof::Absent, NOW + 48 * HOUR)), "HostNotProven");
}

#[test]
fn a_proof_that_vanishes_is_forgiven_for_a_while_and_then_costs_the_host() {
    let first = decided(Some(&claim(1, 1)), &claim(1, 1), Proof::Absent, NOW);
    let noted = HostClaimSpec { unproven_since: Some(NOW), ..claim(1, 1) };
    assert_eq!(first, Verdict { write: Some(noted.clone()), state: HostState::Held });

    let again = |proof, later| decided(Some(&noted), &claim(1, 1), proof, NOW + later);
    let unchanged = Verdict { write: None, state: HostState::Held };
    assert_eq!(again(Proof::Absent, HOUR - 1), unchanged);
    assert_eq!(again(Proof::Unknown, 9 * HOUR), unchanged);
    assert_eq!(again(Proof::Proven, HOUR), Verdict { write: Some(claim(1, 1)), state: HostState::Held });

    let lost = again(Proof::Absent, HOUR);
    assert_eq!(reason_of(&lost), "HostNotProven");
    assert_eq!(lost.write, Some(HostClaimSpec { released_at: Some(NOW + HOUR), ..noted }));
}

#[test]
fn a_host_moves_to_another_service_of_its_lease_in_one_write() {
    let wanted = HostClaimSpec { service: "shop".to_owned(), port: 9090, ..claim(1, 1) };
    let verdict = decided(Some(&claim(1, 1)), &wanted, Proof::Unknown, NOW);
    assert_eq!(verdict, Verdict { write: Some(wanted), state: HostState::Held });
}

fn any_proof() -> impl Strategy<Value = Proof> {
    prop::sample::select(vec![Proof::Proven, Proof::Absent, Proof::Unknown])
}

proptest! {
    /// Leases of several tenants take turns; the index is what the last verdict wrote.
    #[test]
    fn a_host_never_changes_hands_without_proof_nor_before_its_time(
        turns in prop::collection::vec((1_u8..4, any_proof(), any::<bool>(), 0_i64..30 * HOUR), 1..40)
    ) {
        let mut now = NOW;
        let mut found: Option<HostClaimSpec> = None;
        for (lease, proof, ends, later) in turns {
            now += later;
            let wanted = claim(lease, lease.min(2));
            let verdict = decided(found.as_ref(), &wanted, proof, now);
            if verdict.state == HostState::Held {
                let mine = verdict.write.as_ref().or(found.as_ref()).unwrap();
                prop_assert!(is_same_lease(mine, &wanted) && mine.released_at.is_none());
                let before = found.as_ref().filter(|before| !is_same_lease(before, &wanted));
                if let Some(before) = before {
                    let released = before.released_at.expect("only a released host changes hands");
                    prop_assert!(before.tenant == wanted.tenant || now - released >= 24 * HOUR);
                    prop_assert_eq!(proof, Proof::Proven);
                }
                if found.is_none() {
                    prop_assert_eq!(proof, Proof::Proven);
                }
            }
            if let Some(write) = verdict.write {
                if found.as_ref().is_some_and(|found| found.released_at.is_none() && !is_same_lease(found, &write)) {
                    prop_assert!(false, "a held host was overwritten");
                }
                found = Some(write);
            }
            if ends {
                found = found.map(|claim| match is_same_lease(&claim, &wanted) {
                    true => release(&claim, now).unwrap_or(claim),
                    false => claim,
                });
            }
        }
    }
}
