//! One lease whose tenant signs when it likes, whose agents are ended and begun again, and which people pause: the core, its object, and nothing
//! else that remembers.

use market::{B256, Signature64, Statement};
use proptest::prelude::*;

use super::*;

/// Seconds between two ticks.
const TICK: u64 = 60;
const REPLY: ReplyId = ReplyId(3);
const LATER: u64 = 3600;

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// So many ticks.
    Pass(u64),
    /// The tenant signs what it is asked for.
    Sign,
    /// The agent ends, and another begins.
    Restart,
    /// A person pauses the lease; the agent may not see it before its next write.
    Pause { seen: bool },
    /// A person sets it going.
    Resume { seen: bool },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1u64..60).prop_map(Happening::Pass),
        3 => Just(Happening::Sign),
        2 => Just(Happening::Restart),
        1 => any::<bool>().prop_map(|seen| Happening::Pause { seen }),
        1 => any::<bool>().prop_map(|seen| Happening::Resume { seen }),
    ]
}

struct World {
    state: State,
    object: ComputeLease,
    lease: Lease,
    now: u64,
    ran: u64,
    /// What was signed, in seconds.
    signed: u64,
    has_signed: bool,
    /// What a person wants that nobody may undo.
    paused_by_a_person: bool,
    /// Whether a person let it run in spite of a debt that is not paid yet.
    lifted: bool,
    /// Both take long to make.
    id: LeaseId,
    bid: Bid,
}

impl World {
    fn new() -> Self {
        let lease = Lease {
            end_at: Timestamp(NOW.0 + 10_000_000),
            balance: Amount(u128::MAX >> 2),
            ..lease(LeaseState::Active)
        };
        let mut spec = spec(DesiredState::Running, Some((NOW.0, lease.end_at.0)));
        spec.manifest = Some(manifest_ref());
        let object = stored(spec, 3, Some(metered_to(0)));
        let mut world = Self {
            state: ready(),
            object,
            lease,
            now: NOW.0,
            ran: 0,
            signed: 0,
            has_signed: false,
            paused_by_a_person: false,
            lifted: false,
            id: id(),
            bid: bid(),
        };
        world.restart();
        world
    }

    fn restart(&mut self) {
        let mut state = State::new(Rules { gate: GateRules { reclaim_after: None, ..gate() }, ..rules() });
        let now = Timestamp(self.now);
        step(&mut state, head(now), now);
        step(&mut state, Event::CaughtUp, now);
        let opened = vec![OpenedLease { id: self.id, bid: Box::new(self.bid) }];
        let (leases, compute_leases) = (vec![(self.id, self.lease)], vec![self.object.clone()]);
        let effects = step(&mut state, Event::Resync { opened, leases, compute_leases }, now);
        self.state = state;
        self.carry_out(effects);
    }

    /// What the effects would do: an object that the core has not seen is shown to it instead of being written over.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            let (object, basis) = match effect {
                Effect::ApplyComputeLease { object, basis, .. }
                | Effect::StoreStatement { object, basis, .. } => (object, basis),
                Effect::Answer { answer: Ok(Answer::Proposal(proposal)), .. } => {
                    effects.extend(self.sign(&proposal.statement));
                    continue;
                }
                _ => continue,
            };
            if basis == Basis::Generation(self.object.metadata.generation.unwrap()) {
                let generation = self.object.metadata.generation.map(|generation| generation + 1);
                self.object.spec = object.spec;
                self.object.metadata.generation = generation;
            }
            let outcome = Ok(Some(Box::new(self.object.clone())));
            let event = Event::WriteFinished { lease: self.id, outcome };
            effects.extend(step(&mut self.state, event, Timestamp(self.now)));
        }
    }

    fn sign(&mut self, statement: &Statement) -> Vec<Effect> {
        let signature = Signature64 { r: B256::repeat_byte(1), vs: B256::repeat_byte(2) };
        let upload = SignedUpload { statement: *statement, signature, signer: SESSION, reply: REPLY };
        (self.signed, self.has_signed, self.lifted) = (self.ran, true, false);
        step(&mut self.state, Event::StatementSigned(upload), Timestamp(self.now))
    }

    fn tick(&mut self) {
        self.now += TICK;
        if self.object.spec.desired == DesiredState::Running {
            self.ran += TICK;
        }
        let now = Timestamp(self.now);
        let usage = Some(metered(now, used(self.ran)));
        self.object.status = Some(ComputeLeaseStatus { usage, ..ready_status(3) });
        let seen = self.state.leases[&self.id].compute.as_ref().and_then(|object| object.metadata.generation);
        // The meter's words come by a watch that has seen the newest spec, or not yet.
        if seen == self.object.metadata.generation {
            self.watch();
        }
        step(&mut self.state, head(now), now);
        let effects = step(&mut self.state, Event::Tick, now);
        self.carry_out(effects);
        self.check();
    }

    fn person(&mut self, desired: DesiredState, seen: bool) {
        if self.object.spec.desired == desired {
            return;
        }
        let is_ours = self.object.spec.suspension.is_some_and(|suspension| suspension.since.is_some());
        self.object.spec.desired = desired;
        self.object.metadata.generation = self.object.metadata.generation.map(|generation| generation + 1);
        self.paused_by_a_person = desired == DesiredState::Paused;
        if desired == DesiredState::Paused && is_ours {
            // It ran in spite of a suspension and is paused again: the suspension goes on.
            self.paused_by_a_person = false;
        }
        self.lifted |= desired == DesiredState::Running;
        if seen {
            self.watch();
        }
    }

    /// The watch brings the object as it is.
    fn watch(&mut self) {
        let effects = step(&mut self.state, observed(self.object.clone()), Timestamp(self.now));
        self.carry_out(effects);
    }

    fn check(&self) {
        let paused = self.object.spec.desired == DesiredState::Paused;
        assert!(!self.paused_by_a_person || paused, "a person's pause was undone at {}", self.now);
        let unsigned = self.ran - self.signed;
        let time = if self.has_signed { LATER } else { FIRST };
        assert!(self.lifted || unsigned <= time + 2 * TICK, "{unsigned} s are unsigned at {}", self.now);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Pass(ticks) => (0..ticks).for_each(|_| self.tick()),
            Happening::Restart => self.restart(),
            Happening::Pause { seen } => self.person(DesiredState::Paused, seen),
            Happening::Resume { seen } => self.person(DesiredState::Running, seen),
            Happening::Sign => {
                self.watch();
                let ask = Event::StatementRequested { lease: self.id, reply: REPLY };
                let effects = step(&mut self.state, ask, Timestamp(self.now));
                self.carry_out(effects);
                if self.has_signed && self.signed == self.ran {
                    self.tick();
                    let paused = self.object.spec.desired == DesiredState::Paused;
                    assert!(!paused || self.paused_by_a_person, "suspended for nothing at {}", self.now);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_unsigned_is_bounded_who_signs_runs_and_a_persons_pause_stays(
        life in proptest::collection::vec(happening(), 1..30)
    ) {
        let mut world = World::new();
        for happening in life {
            world.happen(happening);
        }
        world.person(DesiredState::Running, true);
        world.happen(Happening::Pass(1));
        world.happen(Happening::Sign);
        prop_assert_eq!(world.object.spec.desired, DesiredState::Running);
        prop_assert_eq!(world.object.spec.suspension, None);
    }
}
