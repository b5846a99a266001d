//! Lives of a provider whose logs, reads and restarts come in any order: what is truly at stake is never more than was allowed.

use proptest::prelude::*;

use super::*;
use crate::bidding::{Facts, Standing};

const MAX_EXPOSURE: Amount = Amount(250);
const BUDGET: Amount = Amount(600);

#[derive(Clone, Copy, Debug)]
enum Happening {
    /// Somebody posts an order, and the chain is read for it.
    Order,
    /// A read of the chain arrives, however old.
    Answer,
    /// A tenant accepts one of the bids that it may accept.
    Accept(usize),
    /// A lease ends and unlocks its part of the bond.
    Close(usize),
    /// The agent sees the newest block and the logs up to it.
    Follow,
    Resync,
    /// The process is killed, and another one reads everything again.
    Restart,
    Pass(u64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => Just(Happening::Order),
        6 => Just(Happening::Answer),
        3 => (0usize..9).prop_map(Happening::Accept),
        2 => (0usize..9).prop_map(Happening::Close),
        4 => Just(Happening::Follow),
        1 => Just(Happening::Resync),
        1 => Just(Happening::Restart),
        3 => (1u64..120).prop_map(Happening::Pass),
        1 => (10_000u64..50_000).prop_map(Happening::Pass),
    ]
}

struct OnChain {
    id: LeaseId,
    bid: Bid,
    opened: bool,
    closed: bool,
}

/// The truth, and the agent that guesses at it. Blocks have their time as height.
struct Life {
    now: Timestamp,
    state: State,
    /// Every order and bid that was posted, and every lease, as logs; and how many of them the agent has seen.
    logs: Vec<ChainNews>,
    seen: usize,
    bids: Vec<OnChain>,
    answers: Vec<(OrderHash, Facts)>,
    nonce: u64,
}

impl Life {
    fn new() -> Self {
        let state = Self::process();
        let mut life =
            Self { now: NOW, state, logs: vec![], seen: 0, bids: vec![], answers: vec![], nonce: 0 };
        life.start();
        life
    }

    fn process() -> State {
        let mut policy = policy_with(|filter| {
            (filter.max_exposure, filter.daily_bid_budget) = (Some(MAX_EXPOSURE), Some(BUDGET));
        });
        policy.max_outstanding_bids = u32::MAX;
        State::new(Rules { policy, ..rules() })
    }

    fn start(&mut self) {
        (self.state, self.seen) = (Self::process(), 0);
        self.answers.clear();
        self.follow();
        self.tell(Event::CaughtUp);
    }

    fn locked(&self) -> Amount {
        let live = self.bids.iter().filter(|bid| bid.opened && !bid.closed);
        live.fold(Amount::ZERO, |sum, live| sum.saturating_add(live.bid.max_slash))
    }

    fn tell(&mut self, event: Event) {
        for effect in step(&mut self.state, event, self.now) {
            match effect {
                Effect::AssessOrder { order, .. } => {
                    let locked = self.locked();
                    let bond = Amount(1_000_000);
                    let standing = Standing { bond, free_bond: bond, locked, ..facts().standing };
                    let standing = Standing { operator_expiry: Timestamp(u64::MAX), ..standing };
                    self.answers.push((order, Facts { block: self.now.0, standing, ..facts() }));
                }
                Effect::PostBid { lease, bid, .. } => {
                    self.logs.push(ChainNews::BidPosted { lease, bid: bid.clone() });
                    self.bids.push(OnChain { id: lease, bid: *bid, opened: false, closed: false });
                }
                _ => {}
            }
        }
    }

    fn follow(&mut self) {
        self.tell(head(self.now));
        for log in self.logs.split_off(self.seen) {
            self.logs.push(log.clone());
            self.tell(Event::Chain(log));
        }
        self.seen = self.logs.len();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Order => {
                self.nonce += 1;
                let order = Order { nonce: self.nonce, deadline: Timestamp(NOW.0 + 100_000_000), ..order() };
                let Event::Chain(posted) = order_posted(order) else { unreachable!() };
                self.logs.push(posted);
                self.follow();
            }
            Happening::Answer if !self.answers.is_empty() => {
                let (order, facts) = self.answers.remove(0);
                let mut cluster = cluster();
                for node in &mut cluster.nodes {
                    node.allocatable.cpu_milli *= 1000;
                    node.allocatable.memory_bytes *= 1000;
                    node.allocatable.pods *= 1000;
                }
                cluster.ephemeral_storage_bytes *= 1000;
                self.tell(Event::OrderAssessed { order, facts, cluster, inherited_by: 0 });
            }
            Happening::Accept(which) => {
                self.pass(1);
                let now = self.now;
                let mut may = self.bids.iter_mut().filter(|bid| !bid.opened && bid.bid.valid_until >= now);
                if let Some(accepted) = may.nth(which) {
                    accepted.opened = true;
                    let opened = OpenedLease { id: accepted.id, bid: Box::new(accepted.bid) };
                    self.logs.push(ChainNews::LeaseOpened(opened));
                }
            }
            Happening::Close(which) => {
                self.pass(1);
                if let Some(lease) = self.bids.iter_mut().filter(|bid| bid.opened && !bid.closed).nth(which) {
                    lease.closed = true;
                }
            }
            Happening::Follow => {
                self.follow();
                self.tell(Event::Tick);
            }
            Happening::Resync => {
                let opened = self.bids.iter().filter(|bid| bid.opened);
                let opened = opened.map(|bid| OpenedLease { id: bid.id, bid: Box::new(bid.bid) }).collect();
                self.tell(Event::Resync { opened, leases: vec![], compute_leases: vec![] });
            }
            Happening::Restart => self.start(),
            Happening::Pass(seconds) => self.pass(seconds),
            Happening::Answer => {}
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(seconds);
        if seconds >= 10_000 {
            // No read takes hours.
            for (order, _) in std::mem::take(&mut self.answers) {
                self.tell(Event::OrderUnassessable { order });
            }
        }
    }

    fn check(&self) -> Result<usize, TestCaseError> {
        let offered = self.bids.iter().filter(|bid| !bid.opened && bid.bid.valid_until >= self.now);
        let exposure = offered.fold(self.locked(), |sum, bid| sum.saturating_add(bid.bid.max_slash));
        prop_assert!(exposure <= MAX_EXPOSURE, "{exposure:?} at stake");
        let signed_at = |bid: &OnChain| bid.bid.valid_until.0 - policy().bid_validity;
        let of_the_day = self.bids.iter().filter(|bid| signed_at(bid) + DAY > self.now.0);
        let signed = of_the_day.fold(Amount::ZERO, |sum, bid| sum.saturating_add(bid.bid.max_slash));
        prop_assert!(signed <= BUDGET, "{signed:?} signed");
        Ok(self.bids.len())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_no_more_is_at_stake_than_was_allowed(
        happenings in proptest::collection::vec(happening(), 1..120)
    ) {
        let mut life = Life::new();
        for happening in happenings {
            life.happen(happening);
            life.check()?;
        }
    }
}

#[test]
fn a_life_reaches_both_bounds() {
    let mut life = Life::new();
    let mut most = Amount::ZERO;
    for _ in 0..20 {
        for happening in [Happening::Order, Happening::Answer, Happening::Answer, Happening::Accept(0)] {
            life.happen(happening);
            most = most.max(life.locked());
        }
        if life.locked() == MAX_EXPOSURE {
            (0..5).for_each(|_| life.happen(Happening::Close(0)));
        }
        life.happen(Happening::Pass(31));
        life.happen(Happening::Follow);
    }
    assert_eq!(most, MAX_EXPOSURE);
    assert_eq!(life.check().unwrap(), 12);
}
