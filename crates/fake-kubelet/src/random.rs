//! Scripts made from a number, the same for the same number.

use crate::{EPOCH, Fault, Load, NodeScript, PodScript, RunScript, Scrape, Script, Span};

/// What a script is made from: Steele's `splitmix64`.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of `from..to`.
    pub fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.number() % (to - from).max(1)
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.number() % 100 < percent
    }

    fn span(&mut self, within: Span, shortest: u64, longest: u64) -> Span {
        let from = self.within(within.from, within.to);
        Span { from, to: from + self.within(shortest, longest) }
    }
}

impl Script {
    /// The script of a number.
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let end = EPOCH + random.within(300_000, 1_500_000);
        let seconds = |millis: u64| millis / 1000 * 1000;
        let term = Span {
            from: seconds(random.within(EPOCH, EPOCH + 120_000)),
            to: seconds(random.within(EPOCH + 200_000, end + 100_000)),
        };
        let is_skewed = random.chance(33);
        let count = random.within(1, 4) as usize;
        let nodes: Vec<NodeScript> =
            (0..count).map(|index| node(&mut random, index, end, is_skewed)).collect();
        let mut pods = Vec::new();
        for index in 0..random.within(1, 5) as usize {
            let created = random.within(EPOCH, EPOCH + (end - EPOCH) / 2);
            let on = random.within(0, count as u64) as usize;
            let first = pod(&mut random, &nodes[on], (index, on), created, end);
            let again = first.gone + random.within(0, 5_000);
            pods.push(first);
            if again + 60_000 < end && random.chance(60) {
                pods.push(pod(&mut random, &nodes[on], (index, on), again, end));
            }
        }
        for (index, pod) in pods.iter_mut().enumerate() {
            pod.uid = format!("{}-{index}", pod.name);
        }
        let scrapes = scrapes(&mut random, &nodes, &pods, end);
        let outage = random
            .chance(40)
            .then(|| random.span(Span { from: EPOCH + 60_000, to: end - 90_000 }, 1_000, 90_000));
        let lies = random.chance(15).then(|| random.within(2, 10));
        Self { seed, nodes, pods, term, end, scrapes, outage, lies }
    }
}

fn node(random: &mut Random, index: usize, end: u64, is_skewed: bool) -> NodeScript {
    let third = (end - EPOCH) / 3;
    let part = |number: u64| Span {
        from: EPOCH + number * third + 5_000,
        to: EPOCH + (number + 1) * third - 60_000,
    };
    let mut maybe = |number: u64, percent: u64, shortest: u64, longest: u64| {
        let span = random.span(part(number), shortest, longest);
        if random.chance(percent) { vec![span] } else { Vec::new() }
    };
    let unfit = maybe(0, 25, 5_000, 60_000);
    let reboots = maybe(1, 25, 8_000, 60_000);
    let away = maybe(2, 30, 10_000, 60_000);
    NodeScript {
        name: format!("node-{index}"),
        skew: if is_skewed { random.within(0, 60_001) as i64 - 30_000 } else { 0 },
        tick: random.within(10_000, 15_001),
        reboots,
        away,
        unfit,
    }
}

fn pod(
    random: &mut Random,
    node: &NodeScript,
    (index, on): (usize, usize),
    created: u64,
    end: u64,
) -> PodScript {
    let is_reboot_near =
        |at: u64| node.reboots.iter().any(|down| down.from < at + 60_000 && at < down.to + 60_000);
    let told_to_end = Some(random.within(created + 10_000, end + 400_000))
        .filter(|told| told + 40_000 < end && !is_reboot_near(*told));
    let stop = told_to_end.map(|told| told + random.within(100, 30_000));
    let mut sandboxes = vec![after_reboots(node, 0, created + random.within(200, 8_000))];
    let mut from = sandboxes[0] + random.within(100, 3_000);
    let mut runs = Vec::new();
    while from < stop.unwrap_or(end) {
        let ready = from + random.within(0, 20_000);
        let planned = (from + random.within(5_000, 600_000)).min(stop.unwrap_or(u64::MAX));
        let cut = node.reboots.iter().find(|down| from < down.from && down.from < planned);
        let (to, told, said) = match cut {
            Some(down) => (down.from, down.to + 2_000, down.to + 1_000),
            None => (planned, planned + random.within(0, 1_500), planned),
        };
        runs.push(RunScript {
            span: Span { from, to },
            ready,
            flaps: flaps(random, node, ready, to),
            told,
            said,
        });
        if Some(to) == stop {
            break;
        }
        let wished = told + random.within(1_000, 40_000);
        from = after_reboots(node, to, wished);
        let is_old = sandboxes.last().is_some_and(|sandbox| sandbox + 120_000 < from);
        let is_rebooted = node.reboots.iter().any(|down| to <= down.from && down.from < from);
        if is_rebooted || (is_old && random.chance(25)) {
            sandboxes.push(from);
            from += random.within(100, 3_000);
        }
    }
    let gone = match stop {
        Some(stop) => {
            runs.last().map_or(stop, |run: &RunScript| run.told.max(stop)) + random.within(100, 2_000)
        }
        None => end + 1_000_000,
    };
    let limits = [100, 250, 1_000, 4_000];
    let cpu_limit = limits[random.within(0, 4) as usize];
    let memory_limit = random.within(1 << 20, 1 << 30);
    PodScript {
        uid: String::new(),
        name: format!("web-{index}"),
        node: on,
        created,
        sandboxes,
        runs,
        told_to_end,
        gone,
        cpu: load(random, cpu_limit * 9 / 10),
        cpu_limit,
        memory_limit,
        memory: random.within(0, memory_limit),
        tx: random.within(0, 10_000),
    }
}

/// Nothing begins on a node that is down, nor between an end and a beginning that a reboot lies between.
fn after_reboots(node: &NodeScript, ended: u64, wished: u64) -> u64 {
    let between = node
        .reboots
        .iter()
        .find(|down| ended <= down.from && down.from <= wished + 4_000 && wished < down.to + 3_000);
    between.map_or(wished, |down| down.to + 4_000)
}

fn flaps(random: &mut Random, node: &NodeScript, ready: u64, to: u64) -> Vec<Span> {
    if ready + 30_000 > to || random.chance(70) {
        return Vec::new();
    }
    let flap = random.span(Span { from: ready + 1_000, to: to - 20_000 }, 1_000, 15_000);
    let is_clear = node
        .unfit
        .iter()
        .all(|unfit| unfit.shared(Span { from: flap.from - 1_000, to: flap.to + 1_000 }) == 0);
    if is_clear { vec![flap] } else { Vec::new() }
}

fn load(random: &mut Random, most: u64) -> Load {
    let (high, low) = (random.within(0, most + 1), random.within(0, most / 4 + 1));
    match random.within(0, 3) {
        0 => Load::Constant(high),
        1 => {
            let period = random.within(2, 120_000);
            Load::Square { high, low, period, on: random.within(1, period) }
        }
        _ => Load::Burst { high, low, from: random.within(0, 600_000), length: random.within(1, 60_000) },
    }
}

fn scrapes(random: &mut Random, nodes: &[NodeScript], pods: &[PodScript], end: u64) -> Vec<Scrape> {
    let is_faultless = random.chance(33);
    let looks_at_the_dying = random.chance(50);
    let mut scrapes = Vec::new();
    for node in 0..nodes.len() {
        let mut at = EPOCH + random.within(0, 30_000);
        while at < end {
            let fault = if is_faultless || random.chance(75) { Fault::None } else { fault(random) };
            scrapes.push(Scrape { at, node, fault });
            at += random.within(27_000, 33_001);
        }
        scrapes.push(Scrape { at: end, node, fault: Fault::None });
    }
    if looks_at_the_dying {
        for pod in pods {
            let told = pod.told_to_end.into_iter().flat_map(|told| [told, told + 28_000]);
            scrapes.extend(told.map(|at| Scrape { at, node: pod.node, fault: Fault::None }));
        }
    }
    scrapes.sort_by_key(|scrape| (scrape.at, scrape.node));
    scrapes
}

fn fault(random: &mut Random) -> Fault {
    match random.within(0, 6) {
        0 => Fault::Status([401, 429, 500, 503][random.within(0, 4) as usize]),
        1 => Fault::Hang,
        2 => Fault::Cut,
        3 => Fault::Garbage,
        4 => Fault::Stale(random.within(0, 60_000)),
        _ => Fault::Partial(random.number()),
    }
}
