//! What is never refused, and what is never accepted, whatever happens.
//!
//! The model: services that run, are down by their provider's fault, or hang by their tenant's, second by second; a
//! provider that meters by the rules of decision 0022 and whose figures lag; and a tenant whose probes come and go.

use std::collections::BTreeMap;

use market::Dimension;
use proptest::prelude::*;

use super::*;
use crate::own_view::{OwnView, Sight, Watched};

const START: u64 = 1_000;
const INTERVAL: u64 = 30;
/// A service that is up for less than this may be so between two probes, unseen.
const SHORTEST_UP: u64 = 75;
const GRACE: u64 = 78;

/// How a service is for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Up,
    /// Its node is gone: nothing is delivered.
    Lost,
    /// Its container runs and its program is stuck: that is billed.
    Stuck,
}

/// What becomes of a round of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Made,
    /// The agent did not run.
    Missed,
    /// The gateway was not reached.
    Cut,
}

/// One service: stretches of being up, each with what follows it.
#[derive(Debug, Clone)]
struct Truth(Vec<Condition>);

impl Truth {
    fn at(&self, second: u64) -> Condition {
        self.0.get(usize::try_from(second).unwrap()).copied().unwrap_or(Condition::Up)
    }

    /// Seconds for which it has been in this condition.
    fn since(&self, second: u64) -> u64 {
        let now = self.at(second);
        (0..second).rev().take_while(|before| self.at(*before) == now).count() as u64
    }

    fn billed(&self, upto: u64) -> u128 {
        (0..upto).filter(|second| self.at(*second) != Condition::Lost).count() as u128
    }
}

fn truth() -> impl Strategy<Value = Truth> {
    let down = prop_oneof![Just(Condition::Lost), Just(Condition::Stuck)];
    let part = (SHORTEST_UP..900, down, 1u64..900);
    proptest::collection::vec(part, 1..5).prop_map(|parts| {
        let mut seconds = Vec::new();
        for (up, condition, down) in parts {
            seconds.extend((0..up).map(|_| Condition::Up));
            seconds.extend((0..down).map(|_| condition));
        }
        Truth(seconds)
    })
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round = prop_oneof![8 => Just(Round::Made), 1 => Just(Round::Missed), 1 => Just(Round::Cut)];
    proptest::collection::vec(round, 1..200)
}

const HELD: [u64; 2] = [40, 60];

fn services() -> [Watched; 2] {
    ["db", "web"].map(|name| {
        let cpu = HELD[usize::from(name == "web")];
        Watched {
            service: name.parse().unwrap(),
            port: 80,
            path: "/".to_owned(),
            grace: GRACE,
            held: [(Dimension::Cpu, cpu), (Dimension::Memory, 0), (Dimension::Gpu, 0)],
        }
    })
}

/// Probes an honest provider, whose word about a service is up to `lag` seconds old.
fn observe(truths: &[Truth; 2], rounds: &[Round], lag: u64, skew: u64) -> OwnView {
    let mut view = OwnView::default();
    for (index, round) in rounds.iter().enumerate() {
        let second = INTERVAL * index as u64 + 7;
        let see = |truth: &Truth| match (truth.at(second), truth.since(second)) {
            (Condition::Up, _) => Sight::Up,
            // It says that the service is ready, or that the fault is its own.
            (Condition::Lost, _) => Sight::Down,
            (Condition::Stuck, since) if since < lag => Sight::Down,
            // It says that the program does not answer.
            (Condition::Stuck, _) => Sight::Unknown,
        };
        let sights = match round {
            Round::Missed => continue,
            Round::Cut => BTreeMap::new(),
            Round::Made => {
                let names = ["db", "web"].map(str::to_owned);
                names.into_iter().zip(truths.iter().map(see)).collect()
            }
        };
        view.observe(Timestamp(START + second + skew), INTERVAL, &services(), &sights);
    }
    view
}

/// What an honest provider has metered up to a second of the lease.
fn metered(truths: &[Truth; 2], upto: u64) -> Usage {
    let all_up =
        (0..upto).filter(|second| truths.iter().all(|truth| truth.at(*second) != Condition::Lost)).count();
    let cpu = truths.iter().zip(HELD).map(|(truth, held)| truth.billed(upto) * u128::from(held)).sum();
    Usage([all_up as u128, cpu, 0, 0, 0, 0, 0, 0])
}

fn propose(bid: &Bid, lease: &Lease, usage: Usage, as_of: u64) -> StatementProposal {
    let due = amount(&bid.prices, &bid.limits, &usage, lease.elapsed(Timestamp(as_of)));
    with_hash(StatementProposal {
        amount_cum: Decimal(due.0),
        usage: ResourceUsage::from(&usage),
        ..proposal(0, as_of, 0)
    })
}

fn long_lease() -> Lease {
    Lease { end_at: Timestamp(START + 100_000), balance: Amount(1_000_000), ..lease() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_honest_provider_is_never_refused(
        truths in [truth(), truth()],
        rounds in rounds(),
        lag in 0..GRACE,
        skew in 0u64..600,
        steps in proptest::collection::vec((1u64..1_500, 0..=METER_LAG_SECONDS, any::<bool>()), 1..8),
    ) {
        let (bid, lease) = (bid(), long_lease());
        let (mut view, watched) = (observe(&truths, &rounds, lag, skew), services());
        let (mut as_of, mut counted, mut previous) = (START, 0, None);
        for (step, meter_lag, arrives) in steps {
            as_of += step;
            counted = (as_of - START).saturating_sub(meter_lag).max(counted);
            let usage = metered(&truths, counted);
            let proposal = propose(&bid, &lease, usage, as_of);
            let own = Own {
                previous: previous.as_ref(),
                observed: Some(Observed { view: &view, watched: &watched }),
                ..own(&bid, &lease, as_of)
            };
            let claim = PendingClaim {
                cum: Amount(proposal.amount_cum.0),
                at: Timestamp(as_of),
                filed_at: Timestamp(as_of),
            };
            prop_assert_eq!(owed(&own, &claim), claim.cum);
            prop_assert_eq!(check(ID, &own, &proposal).map(|it| it.amount_cum.0), Ok(proposal.amount_cum.0));
            // What is not signed in time is still the provider's word.
            view.propose(&proposal, Timestamp(as_of));
            if arrives {
                previous = Some(proposal);
            }
        }
    }

    #[test]
    fn nothing_beyond_caps_budget_and_money_is_ever_accepted(
        usage in proptest::array::uniform8(0u128..2_000_000),
        amount_cum in 0u128..40_000,
        (now, as_of, last_as_of) in (START..6_000, START..6_000, START..6_000),
        (paid, balance) in (0u128..5_000, 0u128..20_000),
        (fixed, share) in (0u128..50, 0u16..300),
        budget in proptest::option::of(0u128..20_000),
        rounds in rounds(),
        truths in [truth(), truth()],
    ) {
        let bid = bid();
        let (paid, balance) = (Amount(paid), Amount(balance));
        let lease = Lease { paid, balance, last_as_of: Timestamp(last_as_of), ..lease() };
        let (view, watched) = (observe(&truths, &rounds, 0, 0), services());
        let tolerance = Tolerance { fixed: Amount(fixed), share: BasisPoints::new(share).unwrap() };
        let own = Own {
            terms: Terms { tolerance, budget: budget.map(Amount) },
            observed: Some(Observed { view: &view, watched: &watched }),
            ..own(&bid, &lease, now)
        };
        let asked = with_hash(StatementProposal {
            amount_cum: Decimal(amount_cum),
            usage: ResourceUsage::from(&Usage(usage)),
            ..proposal(0, as_of, 0)
        });
        match check(ID, &own, &asked) {
            Ok(statement) => {
                let cap = cap_cum(paid, lease.rate_cap_e6, lease.last_as_of, statement.as_of).unwrap();
                let elapsed = lease.elapsed(statement.as_of);
                let cost = amount(&bid.prices, &bid.limits, &Usage(usage), elapsed);
                prop_assert!(statement.amount_cum <= cap);
                prop_assert!(statement.amount_cum <= tolerance.over(cost));
                prop_assert!(statement.amount_cum <= budget.map_or(paid.saturating_add(balance), Amount));
                prop_assert!(statement.as_of.0 <= now && statement.as_of <= lease.end_at);
            }
            Err(refusal) => {
                // What is said to be acceptable is, wherever only the amount is at fault.
                let amounts = [
                    RefusalReason::AmountAboveCap,
                    RefusalReason::AmountAboveUsage,
                    RefusalReason::AmountAboveObserved,
                    RefusalReason::OverBudget,
                ];
                if amounts.contains(&refusal.reason) && refusal.largest_accepted >= paid {
                    let less = StatementProposal { amount_cum: Decimal(refusal.largest_accepted.0), ..asked };
                    let more = Decimal(refusal.largest_accepted.0 + 1);
                    let more = StatementProposal { amount_cum: more, ..asked };
                    prop_assert!(check(ID, &own, &less).is_ok());
                    prop_assert!(check(ID, &own, &more).is_err());
                }
            }
        }
    }

    #[test]
    fn a_dead_service_reported_as_running_costs_no_more_than_its_grace_two_probes_and_a_meters_lag(
        alive in 0u64..3_000,
        dead in 0u64..3_000,
        over_bps in prop_oneof![Just(100u128), Just(1_000), Just(90_000)],
    ) {
        let (bid, lease) = (bid(), long_lease());
        let seconds = |condition, count| (0..count).map(move |_| condition);
        let up = seconds(Condition::Up, alive);
        let web = Truth(up.chain(seconds(Condition::Lost, dead)).collect());
        let truths = [Truth(vec![Condition::Up; web.0.len()]), web];
        let rounds = vec![Round::Made; usize::try_from((alive + dead).saturating_sub(7) / INTERVAL + 1).unwrap()];
        let (view, watched) = (observe(&truths, &rounds, 0, 0), services());
        let as_of = START + alive + dead;
        // It says that everything ran all the time, and adds a part on top of that.
        let everything = (alive + dead) as u128;
        let usage = Usage([everything, 100 * everything, 0, 0, 0, 0, 0, 0].map(|used| used + used * over_bps / 10_000));
        let asked = propose(&bid, &lease, usage, as_of);
        let observed = Some(Observed { view: &view, watched: &watched });
        let own = Own { observed, ..own(&bid, &lease, as_of) };
        let accepted = match check(ID, &own, &asked) {
            Ok(statement) => statement.amount_cum,
            Err(refusal) => {
                prop_assert_eq!(refusal.reason, RefusalReason::AmountAboveObserved);
                refusal.largest_accepted
            }
        };
        let truth = amount(&bid.prices, &bid.limits, &metered(&truths, alive + dead), alive + dead);
        // A second of both costs two base units.
        let bound = 2 * u128::from(GRACE + 2 * INTERVAL + METER_LAG_SECONDS);
        prop_assert!(accepted.0 <= truth.0 + bound, "{accepted} {truth}");
        if dead > GRACE + 2 * INTERVAL + METER_LAG_SECONDS {
            prop_assert!(check(ID, &own, &asked).is_err());
        }
    }
}
