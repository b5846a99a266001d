//! Writes lives down while they are counted.

use serde::{Deserialize, Serialize};

use super::{Ended, Holder, Life, MOST_LIVES, MOST_STRETCHES, Quantities, Stretch};
use crate::Millis;

/// The lives of an hour that is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Lives(Vec<Life>);

impl Lives {
    /// All of them, in the order in which they were met.
    pub(crate) fn told(&self) -> &[Life] {
        &self.0
    }

    /// Hands them out, and begins anew.
    pub(crate) fn take(&mut self) -> Vec<Life> {
        std::mem::take(&mut self.0)
    }

    /// Writes down that something was held, not before anything that was written down of it; returns what that adds to
    /// the counters.
    pub(crate) fn hold(&mut self, holder: &Holder, holding: &Quantities, stretch: Stretch) -> Quantities {
        let added = holding.over(stretch.millis);
        if !holding.is_zero() {
            let life = self.life(holder, holding);
            life.added = life.added.plus(&added);
            life.go_on(stretch);
        }
        added
    }

    /// Writes down why something is not held any more since a moment, unless that was said.
    pub(crate) fn end(&mut self, holder: &Holder, since: Millis, why: Ended) {
        if let Some(stretch) = self.newest(holder) {
            stretch.ended = stretch.ended.or(Some(why));
        } else if self.0.len() < MOST_LIVES {
            // Nothing of this hour counts of it.
            let stretch = Stretch { from: since, to: since, millis: 0, began: None, ended: Some(why) };
            let (holding, added) = (Quantities::default(), Quantities::default());
            self.0.push(Life { holder: holder.clone(), holding, stretches: vec![stretch], added });
        }
    }

    /// The life of this holder with this holding.
    fn life(&mut self, holder: &Holder, holding: &Quantities) -> &mut Life {
        let find = |lives: &[Life], holder: &Holder| {
            lives.iter().rposition(|life| life.holder == *holder && life.holding == *holding)
        };
        let place = find(&self.0, holder).unwrap_or_else(|| {
            if let Some(stretch) = self.newest(holder) {
                stretch.ended = stretch.ended.or(Some(Ended::Resized));
            }
            let is_named = self.0.len() < MOST_LIVES;
            let holder = if is_named { holder.clone() } else { Holder::Others };
            let known = if is_named { None } else { find(&self.0, &holder) };
            known.unwrap_or_else(|| {
                let (stretches, added) = (Vec::new(), Quantities::default());
                self.0.push(Life { holder, holding: *holding, stretches, added });
                self.0.len() - 1
            })
        });
        &mut self.0[place]
    }

    /// The newest stretch of a holder, whatever it held.
    fn newest(&mut self, holder: &Holder) -> Option<&mut Stretch> {
        let lives = self.0.iter_mut().filter(|life| life.holder == *holder);
        lives.filter_map(|life| life.stretches.last_mut()).max_by_key(|stretch| stretch.to)
    }
}

impl Life {
    /// Adds a stretch: as a part of the one before where it goes on, or where there are enough.
    fn go_on(&mut self, stretch: Stretch) {
        let most = if self.holder == Holder::Others { 1 } else { MOST_STRETCHES };
        let count = self.stretches.len();
        match self.stretches.last_mut() {
            Some(last) if count >= most || (last.ended.is_none() && last.to == stretch.from) => {
                last.from = last.from.min(stretch.from);
                last.to = last.to.max(stretch.to);
                last.millis = last.millis.saturating_add(stretch.millis);
                last.ended = stretch.ended;
            }
            last => {
                if let Some(last) = last {
                    last.ended = last.ended.or(Some(Ended::Unready));
                }
                self.stretches.push(stretch);
            }
        }
    }
}
