//! Row 22: more threads than a pod may have. Threads count as processes do, and end with this process.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::attempt::identity;
use crate::observation::{Observation, Outcome};
use crate::targets::Targets;

/// Each thread only waits.
const STACK: usize = 32 << 10;
/// What the interpreter of a limit may count besides: the pause container, the runtime's own.
const MARGIN: usize = 64;

/// Starts threads until the kernel refuses, or until there are more than the limit.
pub fn bomb(targets: &Targets) -> Vec<Observation> {
    let Some(limit) = targets.most_processes else {
        return vec![Observation::new(22, "threads", Outcome::NotTried, "no limit was given")];
    };
    let wanted = limit + MARGIN;
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let mut threads = Vec::new();
    let mut refusal = None;
    while threads.len() < wanted {
        let waiting = Arc::clone(&gate);
        let started = thread::Builder::new().stack_size(STACK).spawn(move || {
            let (lock, open) = &*waiting;
            // A poisoned lock means that the bomb is over too.
            if let Ok(guard) = lock.lock() {
                drop(open.wait_while(guard, |open| !*open));
            }
        });
        match started {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                refusal = Some(error.to_string());
                break;
            }
        }
    }
    let count = threads.len();
    if let Ok(mut open) = gate.0.lock() {
        *open = true;
    }
    gate.1.notify_all();
    for thread in threads {
        // A thread that only waited has nothing to say.
        drop(thread.join());
    }
    if refusal.is_none() && identity::runs_in_gvisor() {
        let seen = format!("{count} threads of the sandbox's own kernel; the node tells of its own");
        return vec![Observation::new(22, format!("{wanted} threads"), Outcome::NotTried, seen)];
    }
    let result = match refusal {
        Some(reason) => Err(format!("{count} started, then: {reason}")),
        None => Ok(format!("{count} started")),
    };
    vec![Observation::attempt(22, format!("{wanted} threads"), result)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_the_limit_is_open() {
        let targets = Targets { most_processes: Some(4), ..Targets::default() };
        assert_eq!(bomb(&targets), [Observation::attempt(22, "68 threads", Ok("68 started".to_owned()))]);
    }
}
