//! Row 30: what somebody else left in a new volume.

use std::fs;

use crate::observation::{Observation, Outcome};
use crate::targets::Targets;

/// What a file system makes for itself.
const OWN: &str = "lost+found";

/// Lists the volume.
pub fn leftovers(targets: &Targets) -> Vec<Observation> {
    let Some(volume) = &targets.volume else {
        return vec![Observation::new(30, "volume", Outcome::NotTried, "no volume was given")];
    };
    let tried = format!("files in {}", volume.display());
    let names = fs::read_dir(volume).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>()
    });
    vec![match names {
        Ok(names) => match names.iter().find(|name| *name != OWN) {
            Some(name) => Observation::attempt(30, tried, Ok(format!("{}", name.display()))),
            None => Observation::attempt(30, tried, Err("none".to_owned())),
        },
        Err(error) => Observation::new(30, tried, Outcome::ControlFailed, error.to_string()),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebody_else_opens_the_row() {
        let outcome = |volume: &str| {
            let targets = Targets { volume: Some(volume.into()), ..Targets::default() };
            leftovers(&targets).first().map(|seen| seen.outcome)
        };
        assert_eq!(outcome(env!("CARGO_MANIFEST_DIR")), Some(Outcome::GotThrough));
        assert_eq!(outcome("/nonexistent"), Some(Outcome::ControlFailed));
    }
}
