//! A programme's past, told by the contracts' events in their order, and what it says about an epoch.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use market::Amount;

use crate::{Epoch, Factor, Inputs, Kind, Leaf, Measure, Previous, ProgrammeId, ProgrammeTerms, Standing};

/// Something that happened to one programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Money came in; it counts from `epoch` on.
    Funded {
        /// How much.
        amount: Amount,
        /// From when.
        epoch: Epoch,
    },
    /// A provider takes part.
    Enrolled {
        /// The provider.
        account: Address,
        /// Its place.
        index: u32,
        /// From when.
        epoch: Epoch,
        /// Its measure at that moment, which earns nothing.
        baseline: Measure,
    },
    /// A provider's counter stands still from now on.
    Left {
        /// The provider.
        account: Address,
        /// When.
        epoch: Epoch,
        /// Its measure, for ever.
        counter: Measure,
    },
    /// A provider's counter was noted.
    Checkpointed {
        /// The provider.
        account: Address,
        /// When.
        epoch: Epoch,
        /// Its measure at that moment.
        counter: Measure,
    },
    /// A provider's attributes were proved, or no longer hold.
    FactorSet {
        /// The provider.
        account: Address,
        /// What they multiply its rewards by.
        factor: Factor,
        /// The first epoch that it holds for.
        from: Epoch,
        /// The first epoch that it no longer holds for.
        until: Epoch,
    },
    /// A report of a provider's capacity was accepted.
    Reported {
        /// The provider.
        account: Address,
        /// For which epoch.
        epoch: Epoch,
        /// Its measure from then on.
        counter: Measure,
    },
    /// A lease of a provider paid a fee in the programme's token.
    FeePaid {
        /// The provider.
        account: Address,
        /// How much.
        fee: Amount,
        /// Height of the block.
        block: u64,
    },
}

/// An event that cannot follow those before it: some are missing, or the node invents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A provider got another place than the next one.
    #[error("a provider enrolled at place {index}, but {count} had enrolled before")]
    Place {
        /// Its place.
        index: u32,
        /// How many there were.
        count: usize,
    },
    /// A provider enrolled twice.
    #[error("{0} enrolled twice")]
    Twice(Address),
    /// An event of a provider that never enrolled.
    #[error("{0} took part without having enrolled")]
    Stranger(Address),
    /// A leaf of the root before is not of the provider at its place.
    #[error("leaf {index} of the root before is of {account}, who is not the provider there")]
    Base {
        /// The place.
        index: u32,
        /// The account of the leaf.
        account: Address,
    },
}

/// What is known of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The provider.
    pub account: Address,
    /// From when it takes part.
    pub enrolled_in: Epoch,
    /// Its measure when it enrolled.
    pub baseline: Measure,
    /// Its measure when it left, if it did.
    pub left: Option<Measure>,
    checkpoints: Vec<(Epoch, Measure)>,
    reports: Vec<(Epoch, Measure)>,
    factors: Vec<(Epoch, Epoch, Factor)>,
    fees: Vec<(u64, Measure)>,
}

/// A programme's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    kind: Kind,
    members: Vec<Member>,
    places: BTreeMap<Address, usize>,
    funded: Vec<(Epoch, Amount)>,
}

impl Member {
    /// Its measure after all that happened.
    pub fn counter(&self, kind: Kind) -> Measure {
        match kind {
            Kind::Matched => self.fees_by(u64::MAX),
            Kind::Capacity => self.counter_at(Epoch(u32::MAX)),
        }
    }

    /// Its fees at the end of a block, as far as they count.
    pub fn fees_by(&self, block: u64) -> Measure {
        let paid = latest(&self.fees, |(at, _)| *at <= block).map_or(self.baseline, |(_, measure)| *measure);
        self.left.map_or(paid, |left| left.min(paid))
    }

    /// Its units in reports up to an epoch.
    pub fn counter_at(&self, epoch: Epoch) -> Measure {
        latest(&self.reports, |(of, _)| *of <= epoch).map(|(_, measure)| *measure).unwrap_or_default()
    }

    /// The newest measure noted up to an epoch, or nothing.
    pub fn checkpoint_at(&self, epoch: Epoch) -> Measure {
        latest(&self.checkpoints, |(of, _)| *of <= epoch).map(|(_, measure)| *measure).unwrap_or_default()
    }

    /// What its attributes multiply its rewards by in an epoch.
    pub fn factor_at(&self, epoch: Epoch) -> Factor {
        match latest(&self.factors, |(from, _, _)| *from <= epoch) {
            Some((_, until, factor)) if epoch < *until => *factor,
            _ => Factor::ONE,
        }
    }
}

impl History {
    /// A programme of which nothing has happened yet.
    pub fn new(kind: Kind) -> Self {
        Self { kind, members: Vec::new(), places: BTreeMap::new(), funded: Vec::new() }
    }

    /// Takes the next event. They come in the order of the chain.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), HistoryError> {
        match *fact {
            Fact::Funded { amount, epoch } => self.funded.push((epoch, amount)),
            Fact::Enrolled { account, index, epoch, baseline } => {
                self.enrol(account, index, epoch, baseline)?;
            }
            Fact::Left { account, epoch, counter } => {
                let member = self.member_mut(account)?;
                member.left = Some(counter);
                // Leaving notes the counter as a checkpoint does.
                member.checkpoints.push((epoch, counter));
            }
            Fact::Checkpointed { account, epoch, counter } => {
                self.member_mut(account)?.checkpoints.push((epoch, counter));
            }
            Fact::FactorSet { account, factor, from, until } => {
                self.member_mut(account)?.factors.push((from, until, factor));
            }
            Fact::Reported { account, epoch, counter } => {
                self.member_mut(account)?.reports.push((epoch, counter));
            }
            Fact::FeePaid { account, fee, block } => self.pay(account, fee, block),
        }
        Ok(())
    }

    /// Every provider, by place.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Every provider that takes part in an epoch, by place.
    pub fn enrolled_by(&self, epoch: Epoch) -> &[Member] {
        // Places are given in the order of time.
        let count = self.members.partition_point(|member| member.enrolled_in <= epoch);
        self.members.get(..count).unwrap_or_default()
    }

    /// What was put in before the end of an epoch.
    pub fn funded_by(&self, epoch: Epoch) -> Amount {
        let amounts = self.funded.iter().filter(|(from, _)| *from <= epoch).map(|(_, amount)| *amount);
        amounts.fold(Amount::ZERO, Amount::saturating_add)
    }

    /// What the root of `epoch` follows from, when it builds on the leaves `base` and may spend `allowance`. `last_block`
    /// is the last one before the epoch's end.
    pub fn inputs(
        &self,
        programme: ProgrammeId,
        terms: &ProgrammeTerms,
        epoch: Epoch,
        last_block: u64,
        base: &[Leaf],
        allowance: Amount,
    ) -> Result<Inputs, HistoryError> {
        let members = self.enrolled_by(epoch).iter().enumerate();
        let standings = members.map(|(place, member)| {
            let previous = match base.get(place) {
                Some(leaf) if leaf.account == member.account => {
                    Previous { measure: leaf.measure, cumulative: leaf.cumulative }
                }
                Some(leaf) => return Err(HistoryError::Base { index: leaf.index, account: leaf.account }),
                None => Previous { measure: member.baseline, cumulative: Amount::ZERO },
            };
            Ok(self.standing(member, epoch, last_block, previous))
        });
        let standings = standings.collect::<Result<_, _>>()?;
        Ok(Inputs { programme, terms: terms.clone(), epoch, allowance, standings })
    }

    fn standing(&self, member: &Member, epoch: Epoch, last_block: u64, previous: Previous) -> Standing {
        let (account, factor) = (member.account, member.factor_at(epoch));
        let (measure, least, most) = match self.kind {
            Kind::Matched => {
                // A root may have counted later fees early; they are not counted again.
                let measure = member.fees_by(last_block).max(previous.measure);
                let least = member.checkpoint_at(epoch).max(previous.measure);
                (measure, least, member.counter(self.kind))
            }
            Kind::Capacity => {
                let counter = member.counter_at(epoch);
                (counter, counter, counter)
            }
        };
        Standing { account, previous, measure, least, most, factor }
    }

    fn enrol(
        &mut self,
        account: Address,
        index: u32,
        epoch: Epoch,
        baseline: Measure,
    ) -> Result<(), HistoryError> {
        let count = self.members.len();
        if usize::try_from(index) != Ok(count) {
            return Err(HistoryError::Place { index, count });
        }
        if self.places.insert(account, count).is_some() {
            return Err(HistoryError::Twice(account));
        }
        self.members.push(Member {
            account,
            enrolled_in: epoch,
            baseline,
            left: None,
            checkpoints: Vec::new(),
            reports: Vec::new(),
            factors: Vec::new(),
            fees: Vec::new(),
        });
        Ok(())
    }

    /// Counts a fee, unless its provider is none of ours: the market says what all providers paid.
    fn pay(&mut self, account: Address, fee: Amount, block: u64) {
        let Ok(member) = self.member_mut(account) else { return };
        let before = member.fees.last().map_or(member.baseline, |(_, measure)| *measure);
        member.fees.push((block, Measure(before.0.saturating_add(fee.0))));
    }

    fn member_mut(&mut self, account: Address) -> Result<&mut Member, HistoryError> {
        let place = self.places.get(&account).copied();
        place.and_then(|place| self.members.get_mut(place)).ok_or(HistoryError::Stranger(account))
    }
}

/// The last entry that fits; entries are in the order of the chain.
fn latest<T>(entries: &[T], fits: impl Fn(&T) -> bool) -> Option<&T> {
    entries.iter().rev().find(|entry| fits(entry))
}

#[cfg(test)]
mod tests;
