//! The ledger against ten thousand random scripts of kubelets, pods and outages, each with a truth of its own.
//!
//! `METER_SEED` repeats one script, `METER_SCRIPTS` sets how many there are.

mod play;

use fake_kubelet::{Random, Script};
use play::{Mutant, Tally, judged};

/// Scripts that each meter with a mistake is shown at most.
const SCRIPTS_FOR_A_MUTANT: usize = 1000;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("the variable holds a number"))
}

#[test]
fn random_scripts_are_counted_as_their_truth_says() {
    let seeds: Vec<u64> = match variable("METER_SEED") {
        Some(seed) => vec![seed],
        None => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let first = now.as_nanos() as u64;
            println!("scripts of the seed {first}");
            let mut random = Random::new(first);
            (0..variable("METER_SCRIPTS").unwrap_or(10_000)).map(|_| random.number()).collect()
        }
    };
    let mut tally = Tally::default();
    for seed in &seeds {
        let script = Script::random(*seed);
        if let Err(problem) = judged(&script, None, &mut tally) {
            panic!("METER_SEED={seed}: {problem}\n{script:#?}");
        }
    }
    println!("{} scripts: {tally:?}", seeds.len());
    if seeds.len() > 1000 {
        tally.assert_everything_happened();
    }
}

#[test]
fn the_judge_sees_every_meter_with_a_mistake_and_says_which() {
    for (mutant, expected) in Mutant::ALL {
        let mut random = Random::new(7);
        let scripts = (0..SCRIPTS_FOR_A_MUTANT).map(|_| Script::random(random.number()));
        let complaint =
            scripts.filter_map(|script| judged(&script, Some(mutant), &mut Tally::default()).err()).next();
        let complaint = complaint.unwrap_or_else(|| panic!("nobody saw {mutant:?}"));
        assert!(complaint.starts_with(expected), "{mutant:?}: {complaint}");
    }
}
