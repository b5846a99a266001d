//! Row 20: more processor time than was leased.

use std::fs;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use crate::attempt::identity;
use crate::observation::{Observation, Outcome};
use crate::targets::Targets;

/// Long enough for some thirty periods of the scheduler's bandwidth control.
const LENGTH: Duration = Duration::from_secs(3);
/// More than a lease of this suite has, so that a missing limit shows.
const THREADS: usize = 2;
/// The kernel gives out time in periods, so a little more is no hole.
const TOLERANCE_PERCENT: u64 = 125;
/// The unit of `/proc/self/stat`, fixed for user space.
const TICKS_PER_SECOND: u64 = 100;

/// Burns for a while and compares the time that the kernel counted with the lease.
pub fn burn(targets: &Targets) -> Vec<Observation> {
    let Some(leased) = targets.leased_cpu_milli else {
        return vec![Observation::new(20, "processor", Outcome::NotTried, "no limit was given")];
    };
    let begun = Instant::now();
    let before = ticks();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut number = 1_u64;
                while begun.elapsed() < LENGTH {
                    for _ in 0..10_000 {
                        number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                    }
                }
            });
        }
    });
    let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let used = before.and_then(|before| Ok(ticks()?.saturating_sub(before)));
    vec![match used {
        // A sandbox's kernel counts the time in which a thread wants to run, so only the node can tell.
        Ok(ticks) if identity::runs_in_gvisor() => {
            let seen = format!("{ticks} ticks by the sandbox's own clock; the node tells");
            Observation::new(20, format!("{THREADS} busy threads"), Outcome::NotTried, seen)
        }
        Ok(ticks) => judge(ticks * 1000 / TICKS_PER_SECOND, elapsed, leased),
        Err(reason) => Observation::new(20, "processor", Outcome::ControlFailed, reason),
    }]
}

fn judge(used_milliseconds: u64, elapsed_milliseconds: u64, leased: u64) -> Observation {
    let milli = used_milliseconds * 1000 / elapsed_milliseconds.max(1);
    let seen = format!("{milli} thousandths of a core, {leased} leased");
    let tried = format!("{THREADS} busy threads");
    // A process that hardly ran proves nothing about the limit.
    if milli < leased / 4 {
        return Observation::new(20, tried, Outcome::ControlFailed, seen);
    }
    let result = if milli * 100 <= leased * TOLERANCE_PERCENT { Err } else { Ok };
    Observation::attempt(20, tried, result(seen))
}

/// User and system time of this process.
fn ticks() -> Result<u64, String> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    ticks_of(&stat).ok_or_else(|| "the kernel does not say".to_owned())
}

/// The name of the process, in brackets, may hold anything; the numbers are after it.
fn ticks_of(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_past_any_name() {
        assert_eq!(ticks_of("7 (a) b) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0"), Some(200));
        assert_eq!(ticks_of("7 (a"), None);
    }

    #[test]
    fn more_than_was_leased_is_open_and_too_little_says_nothing() {
        assert_eq!(judge(360, 3000, 100).outcome, Outcome::Stopped);
        assert_eq!(judge(600, 3000, 100).outcome, Outcome::GotThrough);
        assert_eq!(judge(30, 3000, 100).outcome, Outcome::ControlFailed);
    }
}
