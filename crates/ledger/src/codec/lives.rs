//! Lives in few bytes: an unchanged pod's takes some 80 in an hour, half of them its UID.

use usage::Millis;
use usage::lives::{Began, Ended, Holder, Life, Quantities, Stretch};

use super::{Malformed, Reader, Writer};

impl Writer {
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    /// Which are not nought, and these.
    fn quantities(&mut self, quantities: &Quantities) {
        let present = (0u8..).zip(quantities.0).filter(|(_, amount)| *amount > 0);
        self.0.push(present.clone().fold(0, |mask, (place, _)| mask | 1 << place));
        present.for_each(|(_, amount)| self.number(amount));
    }

    /// A word by its place, counted from one; nought for none.
    fn word<T: PartialEq>(&mut self, all: &[T], word: Option<T>) {
        let place = word.and_then(|word| all.iter().position(|one| *one == word));
        self.number(place.map_or(0, |place| place as u64 + 1));
    }

    fn stretch(&mut self, stretch: &Stretch) {
        let Stretch { from, to, millis, began, ended } = *stretch;
        // The length, and what of it does not count: mostly nought. Differences wrap, so that anything is read back.
        let length = to.0.wrapping_sub(from.0);
        self.number(from.0);
        self.number(length);
        self.number(length.wrapping_sub(millis));
        self.word(&Began::ALL, began);
        self.word(&Ended::ALL, ended);
    }

    fn life(&mut self, life: &Life) {
        let Life { holder, holding, stretches, added } = life;
        match holder {
            Holder::Lease => self.0.push(0),
            Holder::Container { pod, name } => {
                self.0.push(1);
                self.text(pod);
                self.text(name);
            }
            Holder::Volume { uid } => {
                self.0.push(2);
                self.text(uid);
            }
            Holder::Others => self.0.push(3),
        }
        self.quantities(holding);
        self.number(stretches.len() as u64);
        stretches.iter().for_each(|stretch| self.stretch(stretch));
        self.quantities(added);
    }

    /// Lives at the end of a record; nothing at all where none are told.
    pub(super) fn lives(&mut self, lives: Option<&[Life]>) {
        let Some(lives) = lives else { return };
        self.number(lives.len() as u64);
        lives.iter().for_each(|life| self.life(life));
    }
}

impl Reader<'_> {
    fn text(&mut self) -> Result<String, Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).map_err(|_| Malformed)
    }

    fn quantities(&mut self) -> Result<Quantities, Malformed> {
        let mask = self.byte()?;
        let mut quantities = Quantities::default();
        for (place, amount) in quantities.0.iter_mut().enumerate() {
            if mask & 1 << place != 0 {
                *amount = self.number()?;
            }
        }
        Ok(quantities)
    }

    fn word<T: Copy>(&mut self, all: &[T]) -> Result<Option<T>, Malformed> {
        let place = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        let Some(place) = place.checked_sub(1) else { return Ok(None) };
        all.get(place).copied().map(Some).ok_or(Malformed)
    }

    fn stretch(&mut self) -> Result<Stretch, Malformed> {
        let (from, length, uncounted) = (self.small()?, self.small()?, self.small()?);
        let (to, millis) = (Millis(from.wrapping_add(length)), length.wrapping_sub(uncounted));
        let (began, ended) = (self.word(&Began::ALL)?, self.word(&Ended::ALL)?);
        Ok(Stretch { from: Millis(from), to, millis, began, ended })
    }

    fn life(&mut self) -> Result<Life, Malformed> {
        let holder = match self.byte()? {
            0 => Holder::Lease,
            1 => Holder::Container { pod: self.text()?, name: self.text()? },
            2 => Holder::Volume { uid: self.text()? },
            3 => Holder::Others,
            _ => return Err(Malformed),
        };
        let holding = self.quantities()?;
        let stretches = (0..self.small()?).map(|_| self.stretch()).collect::<Result<_, _>>()?;
        Ok(Life { holder, holding, stretches, added: self.quantities()? })
    }

    /// Lives at the end of a record, if any are told.
    pub(super) fn lives(&mut self) -> Result<Option<Vec<Life>>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let lives: Result<_, _> = (0..self.small()?).map(|_| self.life()).collect();
        lives.map(Some)
    }
}
