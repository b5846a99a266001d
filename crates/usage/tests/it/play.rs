//! Plays a script to a ledger as the meter would, and asks the judge what it should have counted.

mod meter;
mod mutant;

use fake_kubelet::{Answer, Judge, Random, Script};
use usage::{QuarantineReason, Totals, Verdict};

use meter::Meter;
pub(crate) use mutant::Mutant;

/// How often the meter publishes.
const PUBLISH: u64 = 60_000;

/// What happened in all scripts, so that none of it can silently stop happening.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    readings: u64,
    credited: u64,
    stale: u64,
    future: u64,
    outside: u64,
    baselines: u64,
    unknown: u64,
    above_limit: u64,
    went_back: u64,
    silent: u64,
    outages: u64,
    undisturbed: u64,
    exact: u64,
}

impl Tally {
    pub(crate) fn assert_everything_happened(&self) {
        let Self {
            readings,
            credited,
            stale,
            future,
            outside,
            baselines,
            unknown,
            above_limit,
            went_back,
            silent,
            outages,
            undisturbed,
            exact,
        } = *self;
        let counts = [
            readings,
            credited,
            stale,
            future,
            outside,
            baselines,
            unknown,
            above_limit,
            went_back,
            silent,
            outages,
            undisturbed,
            exact,
        ];
        assert!(counts.iter().all(|count| *count > 0), "{self:?}");
    }

    pub(crate) fn note(&mut self, verdict: Verdict) {
        self.readings += 1;
        *match verdict {
            Verdict::Credited(_) => &mut self.credited,
            Verdict::NotNewer => &mut self.stale,
            Verdict::Future => &mut self.future,
            Verdict::OutsideTerm => &mut self.outside,
            Verdict::Baseline => &mut self.baselines,
            Verdict::UnknownPod => &mut self.unknown,
            Verdict::Quarantined(QuarantineReason::AboveLimit) => &mut self.above_limit,
            Verdict::Quarantined(QuarantineReason::WentBack) => &mut self.went_back,
        } += 1;
    }
}

/// What the meter had published last, and what the judge knew of it.
struct Published<'script> {
    at: u64,
    meter: Meter,
    judge: Judge<'script>,
}

/// Plays a script to a meter, or to one with a mistake; tells what it got wrong.
pub(crate) fn judged(script: &Script, mutant: Option<Mutant>, tally: &mut Tally) -> Result<(), String> {
    let mut meter = Meter::new(script, mutant);
    let mut judge = Judge::new(script);
    let mut published = Published { at: 0, meter: meter.clone(), judge: judge.clone() };
    let mut kills = Random::new(script.seed ^ 1);
    let mut lies = Random::new(script.seed ^ 2);
    let mut before = Totals::default();
    let mut moments: Vec<u64> =
        script.changes().into_iter().chain(script.scrapes.iter().map(|s| s.at)).collect();
    moments.sort_unstable();
    moments.dedup();
    let mut scrapes = script.scrapes.iter().peekable();
    let mut is_dead = false;
    for now in moments {
        let due: Vec<_> = std::iter::from_fn(|| scrapes.next_if(|scrape| scrape.at == now)).collect();
        if script.outage.is_some_and(|outage| outage.holds(now)) {
            is_dead = true;
            continue;
        }
        if is_dead {
            // All that survives is what was published.
            is_dead = false;
            tally.outages += 1;
            (meter, judge) = (published.meter.resumed_after(&meter), published.judge.clone());
            judge.resumed(published.at, now);
            before = meter.book.totals();
        }
        meter.look(script, now);
        let is_scraped = !due.is_empty();
        for scrape in due {
            match script.stats(scrape.node, now, scrape.fault) {
                Answer::Nothing(_) => tally.silent += 1,
                Answer::Pods(mut readings) => {
                    for reading in &mut readings {
                        if script.lies.is_some_and(|often| lies.within(0, often) == 0) {
                            reading.cpu = lies.number() >> lies.within(0, 64);
                            reading.tx = lies.number() >> lies.within(0, 64);
                        }
                        judge.shown(reading, now);
                        meter.read(reading, now, tally);
                    }
                    meter.answered(scrape.node, now);
                }
            }
        }
        if is_scraped {
            // A node that answered lived until now.
            meter.look(script, now);
        }
        let totals = meter.book.totals();
        if !totals.is_at_least(&before) {
            return Err(format!("totals fell from {before:?} to {totals:?}"));
        }
        before = totals;
        if kills.chance(10) {
            let again = meter.reopened();
            if again.book != meter.book {
                return Err("a book that was written out and read back is another".to_owned());
            }
            meter = again;
        }
        if now >= published.at + PUBLISH {
            published = Published { at: now, meter: meter.clone(), judge: judge.clone() };
        }
    }
    verdict(script, &meter, &judge, tally)
}

fn verdict(script: &Script, meter: &Meter, judge: &Judge<'_>, tally: &mut Tally) -> Result<(), String> {
    let totals = meter.book.totals();
    let (cpu, sent) = (meter.cpu.values().sum::<u128>(), meter.sent.values().sum::<u128>());
    let expect = |holds: bool, what: &str, details: String| {
        if holds { Ok(()) } else { Err(format!("{what}: {details}")) }
    };
    expect(
        totals.used.cpu_ns == cpu
            && totals.used.network_tx_bytes == sent
            && totals.allocated.egress_bytes() == sent,
        "the lease's totals are not the sum of its pods'",
        format!("{totals:?}, cpu {cpu}, sent {sent}"),
    )?;
    for (index, pod) in script.pods.iter().enumerate() {
        let cpu = meter.cpu.get(&pod.uid).copied().unwrap_or(0);
        let most = meter.most_cpu(pod);
        expect(cpu <= most, "above limit times time", format!("{} {cpu} > {most}", pod.uid))?;
        if script.lies.is_some() {
            continue;
        }
        let (truth, held_back) = (judge.cpu(index), meter.held_back.get(&pod.uid).copied().unwrap_or(0));
        tally.exact += u64::from(truth > 0 && held_back == 0);
        expect(
            cpu <= truth && truth <= cpu + u128::from(pod.cpu_limit) * 1000 * 50_000 * held_back,
            "CPU",
            format!("{} counted {cpu}, truth {truth}, held back {held_back} times", pod.uid),
        )?;
        let sent = meter.sent.get(&pod.uid).copied().unwrap_or(0);
        let truth = judge.sent(index);
        expect(sent == truth, "bytes", format!("{} counted {sent}, truth {truth}", pod.uid))?;
    }
    expect(script.lies.is_some() || !meter.fell, "a truthful counter was not believed", String::new())?;
    let memory: u128 = script.pods.iter().map(|pod| u128::from(pod.memory) * meter.seconds_of(pod)).sum();
    expect(totals.used.memory_byte_seconds <= memory, "memory", format!("{totals:?} > {memory}"))?;
    let allocated = judge.allocated();
    let milli_seconds = totals.allocated.cpu_milli_seconds();
    expect(
        allocated.least / 1000 <= milli_seconds && milli_seconds * 1000 <= allocated.most,
        "allocated",
        format!("counted {milli_seconds} s, may be {allocated:?} ms, as of {:?}", meter.book.as_of()),
    )?;
    if meter.is_truthful() {
        let proved = meter.is_proved().map_err(|fault| format!("evidence: {fault}"))?;
        expect(proved, "evidence", "it leads elsewhere".to_owned())?;
    }
    if script.lies.is_none() {
        let burnt = judge.burnt();
        expect(cpu <= burnt, "conservation", format!("counted {cpu}, burnt {burnt}"))?;
        if judge.is_undisturbed() {
            tally.undisturbed += 1;
            let missed = burnt - cpu;
            expect(missed <= judge.may_miss(), "missed", format!("{missed} > {}", judge.may_miss()))?;
        }
    }
    Ok(())
}
