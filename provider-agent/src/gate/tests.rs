//! The gate, as a table and as a life of random events.

use proptest::prelude::*;

use super::*;
use SuspensionReason::{NeverSigned, SignedTooLongAgo, TooMuchUnsigned};

const FIRST: u64 = 1800;
const LATER: u64 = 21_600;
const MOST: Amount = Amount(1000);
const RECLAIM: u64 = 86_400;

fn rules() -> GateRules {
    GateRules {
        suspending: Suspending::Enabled,
        first: FIRST,
        later: LATER,
        most_per_tenant: Some(MOST),
        reclaim_after: Some(RECLAIM),
    }
}

/// A lease with ten unsigned since the moment 100000.
fn debt(history: History, hold: Hold) -> Debt {
    Debt { unsigned: Amount(10), since: SINCE, history, hold }
}

const SINCE: Timestamp = Timestamp(100_000);

fn after(seconds: u64) -> Timestamp {
    SINCE.saturating_add(seconds)
}

fn announced(seconds: u64) -> Hold {
    Hold::Announced { at: after(seconds) }
}

fn suspended(seconds: u64) -> Hold {
    Hold::Suspended { since: after(seconds) }
}

#[test]
fn time_decides_about_each_lease_alone() {
    use History::{NeverSigned as Never, Signed};
    let check = |what: &str, history, hold, seconds, expected| {
        let found = rules().standing(&debt(history, hold), Amount(10), after(seconds));
        assert_eq!(found, expected, "{what}");
    };
    check("just begun", Never, Hold::Free, 0, Standing::Fine);
    check("before half", Never, Hold::Free, FIRST / 2 - 1, Standing::Fine);
    check("half", Never, Hold::Free, FIRST / 2, Standing::Announced(NeverSigned));
    check("announced", Never, announced(FIRST / 2), FIRST - 1, Standing::Announced(NeverSigned));
    check("all of it", Never, announced(FIRST / 2), FIRST, Standing::Suspended(NeverSigned));
    check("all of it, unannounced", Never, Hold::Free, 10 * FIRST, Standing::Announced(NeverSigned));
    check("announced late", Never, announced(5000), 5000 + FIRST / 3 - 1, Standing::Announced(NeverSigned));
    check(
        "announced late enough",
        Never,
        announced(5000),
        5000 + FIRST / 3,
        Standing::Suspended(NeverSigned),
    );
    check("signed before", Signed, Hold::Free, LATER / 2 - 1, Standing::Fine);
    check("signed before, half", Signed, Hold::Free, LATER / 2, Standing::Announced(SignedTooLongAgo));
    check("too long ago", Signed, announced(LATER / 2), LATER, Standing::Suspended(SignedTooLongAgo));
    check("stays suspended", Never, suspended(FIRST), FIRST + RECLAIM - 1, Standing::Suspended(NeverSigned));
    check("suspended too long", Never, suspended(FIRST), FIRST + RECLAIM, Standing::Reclaimed);
    check("signed meanwhile, if not all", Signed, suspended(0), LATER / 2 - 1, Standing::Fine);
    check("signed too old ones", Signed, suspended(0), LATER / 2, Standing::Suspended(SignedTooLongAgo));
}

#[test]
fn nobody_is_held_for_what_is_signed_and_nothing_of_somebody_else_is_touched() {
    for hold in [Hold::Free, announced(0), suspended(0), Hold::Lifted, Hold::Foreign] {
        let paid = Debt { unsigned: Amount(0), ..debt(History::Signed, hold) };
        assert_eq!(rules().standing(&paid, Amount(10_000), after(1 << 40)), Standing::Fine, "{hold:?}");
        assert_eq!(rules().reclaims_at(&paid), None);
        let off = GateRules { suspending: Suspending::Disabled, ..rules() };
        let owing = debt(History::NeverSigned, hold);
        assert_eq!(off.standing(&owing, Amount(10_000), after(1 << 40)), Standing::Fine, "{hold:?}");
        assert!(!off.is_over(&owing, Amount(10_000), after(1 << 40)));
    }
    for hold in [Hold::Lifted, Hold::Foreign] {
        let owing = debt(History::NeverSigned, hold);
        assert_eq!(rules().standing(&owing, Amount(10_000), after(1 << 40)), Standing::LeftAlone, "{hold:?}");
        assert!(rules().is_over(&owing, Amount(10), after(FIRST)));
    }
    let endless = GateRules { reclaim_after: None, ..rules() };
    let owing = debt(History::NeverSigned, suspended(FIRST));
    assert_eq!(endless.standing(&owing, Amount(10), after(1 << 40)), Standing::Suspended(NeverSigned));
    assert_eq!(endless.reclaims_at(&owing), None);
}

#[test]
fn value_decides_about_all_leases_of_a_tenant() {
    let check = |what: &str, hold, of_tenant, seconds, expected| {
        let found = rules().standing(&debt(History::Signed, hold), Amount(of_tenant), after(seconds));
        assert_eq!(found, expected, "{what}");
    };
    check("half", Hold::Free, 500, 0, Standing::Fine);
    check("more than half", Hold::Free, 501, 0, Standing::Announced(TooMuchUnsigned));
    check("all of it", announced(0), 1000, 600, Standing::Announced(TooMuchUnsigned));
    check("more", announced(0), 1001, NOTICE_OF_VALUE, Standing::Suspended(TooMuchUnsigned));
    check(
        "more, just announced",
        announced(0),
        1001,
        NOTICE_OF_VALUE - 1,
        Standing::Announced(TooMuchUnsigned),
    );
    check("more, unannounced", Hold::Free, u128::MAX, 0, Standing::Announced(TooMuchUnsigned));
    check("less, but not much", suspended(0), 501, 9, Standing::Suspended(TooMuchUnsigned));
    check("half again", suspended(0), 500, 9, Standing::Fine);
    let unbounded = GateRules { most_per_tenant: None, ..rules() };
    let found = unbounded.standing(&debt(History::Signed, announced(0)), Amount(u128::MAX), after(600));
    assert_eq!(found, Standing::Fine);
}

#[test]
fn the_moments_that_a_tenant_is_told_are_those_at_which_it_happens() {
    let at = |hold, of_tenant, seconds| {
        let moment =
            rules().suspends_at(&debt(History::NeverSigned, hold), Amount(of_tenant), after(seconds));
        moment.map(|moment| moment.seconds_since(SINCE))
    };
    assert_eq!(at(Hold::Free, 10, 0), Some(FIRST));
    assert_eq!(at(announced(FIRST / 2), 10, FIRST / 2), Some(FIRST));
    assert_eq!(at(Hold::Free, 10, 9000), Some(9000 + FIRST / 3));
    assert_eq!(at(announced(9000), 10, 9100), Some(9000 + FIRST / 3));
    assert_eq!(at(announced(60), 1001, 70), Some(60 + NOTICE_OF_VALUE));
    assert_eq!(at(Hold::Free, 1001, 70), Some(70 + NOTICE_OF_VALUE));
    assert_eq!(at(suspended(9), 10, 9), None);
    assert_eq!(rules().reclaims_at(&debt(History::Signed, suspended(9))), Some(after(9 + RECLAIM)));
}

/// What happens to one lease of a rate of one a second. Times are in seconds.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// The agent ticks, so often as its chain has blocks.
    Pass(u64),
    /// The tenant signs what is proposed.
    Sign,
    /// It gets a proposal, and keeps it.
    Propose,
    /// It signs the one that it kept.
    SignOld,
    /// The agent is away.
    Away(u64),
    /// A person pauses the lease.
    Pause,
    /// A person sets it going.
    Resume,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (1u64..30_000).prop_map(Happening::Pass),
        3 => Just(Happening::Sign),
        2 => Just(Happening::Propose),
        2 => Just(Happening::SignOld),
        1 => (1u64..100_000).prop_map(Happening::Away),
        1 => Just(Happening::Pause),
        1 => Just(Happening::Resume),
    ]
}

/// A lease whose object carries everything that is remembered, as after any restart.
#[derive(Debug)]
struct Life {
    now: u64,
    used: u64,
    /// What is signed, and up to when.
    signed: Option<(u64, u64)>,
    kept: Option<(u64, u64)>,
    hold: Hold,
    is_paused: bool,
    /// The longest that no agent ran while something was unsigned.
    away: u64,
    /// Nobody lifted a suspension or paused since all was signed.
    is_undisturbed: bool,
}

/// Seconds between two ticks.
const TICK: u64 = 12;

impl Life {
    fn debt(&self) -> Debt {
        let (amount, since) = self.signed.unwrap_or((0, 0));
        let history = if self.signed.is_some() { History::Signed } else { History::NeverSigned };
        Debt {
            unsigned: Amount((self.used - amount).into()),
            since: Timestamp(since),
            history,
            hold: self.hold,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += seconds;
        if !self.is_paused {
            self.used += seconds;
        }
    }

    /// What the agent does about it in one tick, by what it finds.
    fn look(&mut self) {
        let debt = self.debt();
        match rules_by_time().standing(&debt, debt.unsigned, Timestamp(self.now)) {
            Standing::Fine => {
                if matches!(self.hold, Hold::Suspended { .. }) {
                    self.is_paused = false;
                }
                self.hold = if self.is_paused { Hold::Foreign } else { Hold::Free };
            }
            Standing::Announced(_) => {
                let at = match self.hold {
                    Hold::Announced { at } => at,
                    _ => Timestamp(self.now),
                };
                self.is_paused = false;
                self.hold = Hold::Announced { at };
            }
            Standing::Suspended(_) | Standing::Reclaimed => {
                if !matches!(self.hold, Hold::Suspended { .. }) {
                    self.hold = Hold::Suspended { since: Timestamp(self.now) };
                }
                self.is_paused = true;
            }
            Standing::LeftAlone => {}
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Pass(seconds) => {
                for _ in 0..seconds.div_ceil(TICK) {
                    self.pass(TICK);
                    self.look();
                    self.check();
                }
            }
            Happening::Sign => {
                self.signed = Some((self.used, self.now));
                (self.away, self.is_undisturbed) = (0, true);
            }
            Happening::Propose => self.kept = Some((self.used, self.now)),
            Happening::SignOld => self.signed = self.signed.max(self.kept),
            Happening::Away(seconds) => {
                self.away += seconds;
                self.pass(seconds);
            }
            Happening::Pause => {
                if !self.is_paused {
                    (self.is_paused, self.hold, self.is_undisturbed) = (true, Hold::Foreign, false);
                }
            }
            Happening::Resume => {
                if self.is_paused {
                    self.is_paused = false;
                    self.is_undisturbed = false;
                    self.hold = match self.hold {
                        Hold::Suspended { .. } => Hold::Lifted,
                        _ => Hold::Free,
                    };
                }
            }
        }
        let before = (self.is_paused, self.hold);
        self.look();
        self.check();
        if before == (true, Hold::Foreign) {
            assert!(self.is_paused, "the pause of somebody else was undone: {self:?}");
        }
        if self.debt().unsigned.is_zero() {
            assert!(!self.is_paused || self.hold == Hold::Foreign, "suspended for nothing: {self:?}");
        }
    }

    fn check(&self) {
        let time = if self.signed.is_some() { LATER } else { FIRST };
        let bound = time + TICK + if self.away == 0 { 0 } else { self.away + time / NOTICE_SHARE + TICK };
        let unsigned = self.debt().unsigned.0;
        assert!(
            !self.is_undisturbed || unsigned <= bound.into(),
            "{unsigned} is more than {bound}: {self:?}"
        );
    }
}

/// One lease alone is held to its time.
fn rules_by_time() -> GateRules {
    GateRules { most_per_tenant: None, ..rules() }
}

proptest! {
    #[test]
    fn no_life_owes_more_than_its_time_is_suspended_for_nothing_or_fights_a_foreign_pause(
        life in proptest::collection::vec(happening(), 1..40)
    ) {
        let mut lease = Life {
            now: 0,
            used: 0,
            signed: None,
            kept: None,
            hold: Hold::Free,
            is_paused: false,
            away: 0,
            is_undisturbed: true,
        };
        for happening in life {
            lease.happen(happening);
        }
        // Whatever happened, who signs for everything runs, unless somebody else wants it paused.
        lease.happen(Happening::Sign);
        prop_assert!(!lease.is_paused || lease.hold == Hold::Foreign);
        lease.happen(Happening::Resume);
        prop_assert!(!lease.is_paused);
    }

    #[test]
    fn no_numbers_overflow(
        unsigned: u128, of_tenant: u128, since: u64, at: u64, now: u64, first: u64, later: u64, most: u128, after: u64,
    ) {
        let rules = GateRules {
            suspending: Suspending::Enabled, first, later, most_per_tenant: Some(Amount(most)), reclaim_after: Some(after),
        };
        let at = Timestamp(at);
        for hold in [Hold::Free, Hold::Announced { at }, Hold::Suspended { since: at }] {
            for history in [History::NeverSigned, History::Signed] {
                let debt = Debt { unsigned: Amount(unsigned), since: Timestamp(since), history, hold };
                rules.standing(&debt, Amount(of_tenant), Timestamp(now));
                rules.suspends_at(&debt, Amount(of_tenant), Timestamp(now));
                rules.reclaims_at(&debt);
            }
        }
    }
}
