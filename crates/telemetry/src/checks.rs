//! Named checks that together answer "is this process ready" or "is it alive".

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A set of named checks. Ready means that none of them has a complaint.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    complaints: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    /// The complaint of a set that has no check yet, under a name of its own.
    without: Option<(&'static str, &'static str)>,
}

/// The two questions that a process answers about itself.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether starting it again would not help, as `/healthz` says.
    pub alive: Checks,
    /// Whether it can do its work, as `/readyz` says.
    pub ready: Checks,
}

/// Handle by which one part of the process reports on itself.
#[derive(Clone, Debug)]
pub struct Check {
    name: &'static str,
    checks: Checks,
}

/// Answer at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    entries: Vec<(&'static str, Option<String>)>,
}

impl Checks {
    /// A set without checks, which passes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set that does not pass before it has a check: a process of which no part has begun can do no work.
    pub fn of_parts() -> Self {
        Self { without: Some(("parts", "none has begun")), ..Self::default() }
    }

    /// Adds a check that fails with this complaint until it is told to pass.
    pub fn add(&self, name: &'static str, complaint: &str) -> Check {
        let check = Check { name, checks: self.clone() };
        check.fail(complaint);
        check
    }

    /// The answer now.
    pub fn report(&self) -> Report {
        let mut entries: Vec<_> =
            self.lock().iter().map(|(name, complaint)| (*name, complaint.clone())).collect();
        if entries.is_empty() {
            entries.extend(self.without.map(|(name, complaint)| (name, Some(complaint.to_owned()))));
        }
        Report { entries }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        // A panic elsewhere cannot leave the map half-written, so a poisoned lock is still good.
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { alive: Checks::new(), ready: Checks::of_parts() }
    }
}

impl Check {
    /// Nothing to complain about.
    pub fn pass(&self) {
        self.checks.lock().insert(self.name, None);
    }

    /// Something is wrong; the text is for the operator of the process.
    pub fn fail(&self, complaint: &str) {
        self.checks.lock().insert(self.name, Some(complaint.to_owned()));
    }
}

impl Report {
    /// Whether no check complains.
    pub fn passes(&self) -> bool {
        self.entries.iter().all(|(_, complaint)| complaint.is_none())
    }
}

/// One line per check, as `/readyz` prints it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, complaint) in &self.entries {
            match complaint {
                None => writeln!(f, "{name}: ok")?,
                Some(complaint) => writeln!(f, "{name}: {complaint}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_complaint_fails_the_whole_set() {
        let checks = Checks::new();
        assert!(checks.report().passes());
        let crds = checks.add("crds", "not looked yet");
        let caches = checks.add("caches", "not synced");
        crds.pass();
        assert!(!checks.report().passes());
        assert_eq!(checks.report().to_string(), "caches: not synced\ncrds: ok\n");
        caches.pass();
        assert!(checks.report().passes());
        crds.fail("gone");
        assert_eq!(checks.report().to_string(), "caches: ok\ncrds: gone\n");
    }

    #[test]
    fn a_process_is_alive_and_not_ready_before_a_part_of_it_has_begun() {
        let Health { alive, ready } = Health::default();
        assert!(alive.report().passes());
        assert_eq!(
            (ready.report().passes(), ready.report().to_string().as_str()),
            (false, "parts: none has begun\n")
        );
        ready.add("caches", "not synced").pass();
        assert!(ready.report().passes());
    }
}
