//! Tells when a watch is dead although the API server is not.
//!
//! A silent watch is first cut and begun again where it is read ([`super::body`]). What is left to see here is one that stays
//! silent all the same: its reader is stuck, its connections lead nowhere, or the API server has nothing to say to it. Only a
//! new process can help then, so `/healthz` fails. An API server that is away is another matter: starting again would not
//! bring it back, so only time in which it answered a plain read of the same kind at every try counts.

use std::collections::BTreeMap;

use futures::{FutureExt, future};
use http::Request;
use kube::client::Body;
use telemetry::{Check, Health};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, timeout};

use super::Watches;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Longest time that a plain read of one object may take to count as answered.
const PLAIN_READ: Duration = Duration::from_secs(5);

/// Since when each silent watch has no excuse: the API server answered, at every look.
#[derive(Debug, Default, PartialEq, Eq)]
struct Suspects(BTreeMap<&'static str, Instant>);

impl Suspects {
    /// Notes one look at the silent watches of which the API server answered plain reads, and returns those that are dead.
    fn look(&mut self, answered: &[&'static str], second_chance: Duration) -> Vec<&'static str> {
        let now = Instant::now();
        self.0.retain(|kind, _| answered.contains(kind));
        for kind in answered {
            self.0.entry(kind).or_insert(now);
        }
        let is_dead = |since: &Instant| now.duration_since(*since) >= second_chance;
        self.0.iter().filter(|(_, since)| is_dead(since)).map(|(kind, _)| *kind).collect()
    }
}

impl Watches {
    /// Looks at the watches until it is dropped.
    pub async fn guard(self, health: Health) {
        let alive = health.alive.add("watches", "not looked yet");
        alive.pass();
        let ready = health.ready.add("watches", "not looked yet");
        let mut suspects = Suspects::default();
        let mut look = interval(LOOK.min(self.times.silence() / 2));
        // After a suspension one look is enough.
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let silent = self.silent();
            say(&ready, "nothing came for too long", &silent);
            let answered = self.answered(silent).await;
            let dead = suspects.look(&answered, self.times.second_chance());
            if !dead.is_empty() {
                tracing::error!(kinds = dead.join(", "), "watches are dead although the API server answers");
            }
            say(&alive, "dead although the API server answers", &dead);
        }
    }

    /// Kinds whose watches were silent for longer than a healthy one can be.
    fn silent(&self) -> Vec<&'static str> {
        let mut silent = Vec::new();
        for (kind, watched) in self.book.all() {
            self.metrics.set_age(kind, watched.age());
            if watched.silence() > self.times.silence() {
                silent.push(kind);
            }
        }
        silent
    }

    /// Those of which the API server shows an object, or says that there is none.
    async fn answered(&self, kinds: Vec<&'static str>) -> Vec<&'static str> {
        let reads =
            kinds.into_iter().map(|kind| self.clone().answers(kind).map(move |read| read.then_some(kind)));
        future::join_all(reads).await.into_iter().flatten().collect()
    }

    async fn answers(self, kind: &'static str) -> bool {
        let watched = self.book.find(kind);
        // A watch that never asked for anything is stuck by itself.
        let Some(path) = watched.and_then(|watched| watched.path()) else { return true };
        let Ok(request) = Request::get(format!("{path}?limit=1")).body(Body::empty()) else { return false };
        let read = async {
            let response = self.inner.send(request).await.ok()?;
            let is_success = response.status().is_success();
            response.into_body().collect_bytes().await.ok()?;
            Some(is_success)
        };
        timeout(PLAIN_READ, read).await.ok().flatten().unwrap_or(false)
    }
}

fn say(check: &Check, complaint: &str, kinds: &[&'static str]) {
    if kinds.is_empty() {
        check.pass();
    } else {
        check.fail(&format!("{complaint}: {}", kinds.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_CHANCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn only_an_unbroken_time_of_answers_makes_a_silent_watch_dead() {
        let mut suspects = Suspects::default();
        let mut pass = async |answered: &[&'static str], seconds: u64| {
            let dead = suspects.look(answered, SECOND_CHANCE);
            tokio::time::advance(Duration::from_secs(seconds)).await;
            dead
        };
        assert_eq!(pass(&["Pod"], 40).await, Vec::<&str>::new());
        assert_eq!(pass(&["Pod", "Node"], 30).await, Vec::<&str>::new());
        assert_eq!(pass(&["Pod", "Node"], 20).await, ["Pod"], "70 s");
        // The API server went away: nothing counts any more.
        assert_eq!(pass(&[], 300).await, Vec::<&str>::new());
        assert_eq!(pass(&["Pod", "Node"], 59).await, Vec::<&str>::new());
        assert_eq!(pass(&["Pod", "Node"], 1).await, Vec::<&str>::new());
        assert_eq!(pass(&["Node"], 1).await, ["Node"], "a pod came");
    }
}
