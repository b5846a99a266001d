//! Rows of a sandbox that only its node can tell: what the kernel outside grants the pod.

use anyhow::{Context, Result};
use e2e::cgroup::{self, Limits};
use isolation_probe::observation::{Observation, Outcome};
use kube::ResourceExt as _;

use crate::aim::{CPU_MILLI, MOST_PROCESSES};
use crate::lease::Lease;
use crate::place::Place;

/// Rows 20 and 22 of the lease's probe, after it has tried them.
pub(crate) async fn of_lease(place: &Place, lease: &Lease) -> Result<Vec<Observation>> {
    let pods = lease.pods(place, "probe").await?;
    let uid = pods.first().and_then(|pod| pod.uid()).context("the probe has no pod")?;
    Ok(cgroup::limits(&uid).map_or_else(elsewhere, judge))
}

fn elsewhere() -> Vec<Observation> {
    [20, 22]
        .map(|row| {
            Observation::new(
                row,
                "the node's control groups",
                Outcome::NotTried,
                "the node is not this machine",
            )
        })
        .into()
}

fn judge(limits: Limits) -> Vec<Observation> {
    let Limits { cpu_milli, throttled_periods, processes } = limits;
    let cpu = match cpu_milli {
        // Without a period in which it was held back, the load was none.
        Some(milli) if milli <= CPU_MILLI && throttled_periods > 0 => {
            Err(format!("{milli} thousandths of a core, held back in {throttled_periods} periods"))
        }
        Some(milli) => Ok(format!("{milli} thousandths of a core, held back in {throttled_periods} periods")),
        None => Ok("no limit".to_owned()),
    };
    let processes = match processes {
        Some(most) if most <= MOST_PROCESSES as u64 => Err(format!("at most {most}")),
        Some(most) => Ok(format!("at most {most}")),
        None => Ok("no limit".to_owned()),
    };
    vec![
        Observation::attempt(20, "processor time by the node's kernel", cpu),
        Observation::attempt(22, "processes by the node's kernel", processes),
    ]
}

/// The same where nothing is limited.
pub(crate) fn without_controls() -> Vec<Observation> {
    judge(Limits { cpu_milli: None, throttled_periods: 0, processes: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_limit_that_held_somebody_back_holds() {
        let outcomes = |cpu_milli, throttled_periods, processes| {
            judge(Limits { cpu_milli, throttled_periods, processes })
                .into_iter()
                .map(|seen| seen.outcome)
                .collect::<Vec<_>>()
        };
        use Outcome::{GotThrough, Stopped};
        assert_eq!(outcomes(Some(100), 7, Some(1024)), [Stopped, Stopped]);
        assert_eq!(outcomes(Some(100), 0, Some(4096)), [GotThrough, GotThrough]);
        assert_eq!(outcomes(Some(400), 7, None), [GotThrough, GotThrough]);
    }
}
