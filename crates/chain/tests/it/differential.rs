//! The market's arithmetic and digests three times over: in Rust, in Solidity, in JavaScript. All must agree exactly.
//!
//! `LEASEHOLD_DIFFERENTIAL_CASES` asks for more cases than the 100 000 of every run; the deep suite takes a million.

mod case;
mod digest;
mod javascript;
mod outcome;
mod solidity;

use anyhow::{Context, Result, ensure};

use case::{Case, Source};
use javascript::JavaScript;
use outcome::{Life, Outcome, Rate};
use solidity::Solidity;

const CASES: usize = 100_000;
const BATCH: usize = 250;
const DIGESTS_OF_EACH_KIND: usize = 400;
const SEED: u64 = 0x1ea5_e401;

/// How often cases reached what they are there for.
#[derive(Debug, Default)]
struct Reach {
    cases: usize,
    rate_zero: usize,
    rate_too_large: usize,
    nothing_to_claim: usize,
    claim_of_all_that_is_due: usize,
    claim_stopped_by_the_cap: usize,
    claim_stopped_by_the_balance: usize,
    payout_stopped_by_the_balance: usize,
    funded_beyond_the_end: usize,
}

impl Reach {
    fn count(&mut self, case: &Case, outcome: &Outcome) {
        self.cases += 1;
        match (outcome.rate, &outcome.life) {
            (Rate::Cap(_), Some(life)) => self.count_life(case, outcome, life),
            (Rate::Zero, _) => self.rate_zero += 1,
            _ => self.rate_too_large += 1,
        }
    }

    fn count_life(&mut self, case: &Case, outcome: &Outcome, life: &Life) {
        let funds = case.paid + case.balance;
        match life.claim_cum {
            None => self.nothing_to_claim += 1,
            Some(cum) if outcome.amount == alloy::primitives::U256::from(cum) => {
                self.claim_of_all_that_is_due += 1
            }
            Some(cum) if life.cap_cum == Some(cum) => self.claim_stopped_by_the_cap += 1,
            Some(cum) => {
                assert_eq!(cum, funds, "nothing else stops a claim: {case:?}");
                self.claim_stopped_by_the_balance += 1;
            }
        }
        self.payout_stopped_by_the_balance += usize::from(case.cum > funds);
        self.funded_beyond_the_end += usize::from(life.funded_until == case.end_at);
    }

    /// A rule that hardly any case meets is not compared.
    fn check(&self) -> Result<()> {
        let Self { cases, rate_zero, rate_too_large, nothing_to_claim, .. } = self;
        let counts = [
            rate_zero,
            rate_too_large,
            nothing_to_claim,
            &self.claim_of_all_that_is_due,
            &self.claim_stopped_by_the_cap,
            &self.claim_stopped_by_the_balance,
            &self.payout_stopped_by_the_balance,
            &self.funded_beyond_the_end,
        ];
        ensure!(counts.iter().all(|count| **count >= cases / 200), "too seldom: {self:?}");
        Ok(())
    }
}

fn wanted() -> Result<usize> {
    match std::env::var("LEASEHOLD_DIFFERENTIAL_CASES") {
        Ok(text) => text.parse().with_context(|| format!("LEASEHOLD_DIFFERENTIAL_CASES={text}")),
        Err(_) => Ok(CASES),
    }
}

/// Refuses the first case whose outcome is not the same everywhere, and shows it whole.
fn agree(cases: &[Case], rust: &[Outcome], solidity: &[Outcome], javascript: &[String]) -> Result<()> {
    for (((case, rust), solidity), javascript) in cases.iter().zip(rust).zip(solidity).zip(javascript) {
        ensure!(
            rust == solidity && rust.to_string() == *javascript,
            "{case:#?}\nRust:       {rust}\nSolidity:   {solidity}\nJavaScript: {javascript}"
        );
    }
    ensure!([rust.len(), solidity.len(), javascript.len()] == [cases.len(); 3], "a side left cases out");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_solidity_and_javascript_agree_on_generated_cases() -> Result<()> {
    let wanted = wanted()?;
    let solidity = Solidity::start().await?;
    let mut javascript = JavaScript::start(&[])?;
    let mut source = Source::new(SEED);
    let mut reach = Reach::default();
    while reach.cases < wanted {
        let cases: Vec<Case> = (0..BATCH.min(wanted - reach.cases)).map(|_| source.case()).collect();
        let lines: Vec<String> = cases.iter().map(Case::json).collect();
        let rust: Vec<Outcome> = cases.iter().map(Outcome::in_rust).collect();
        let (theirs, script) = tokio::try_join!(solidity.outcomes(&cases), javascript.answers(&lines))?;
        agree(&cases, &rust, &theirs, &script)?;
        cases.iter().zip(&rust).for_each(|(case, outcome)| reach.count(case, outcome));
    }
    println!("{wanted} cases in Rust, {wanted} in Solidity, {wanted} in JavaScript: {reach:?}");
    reach.check()
}

#[tokio::test]
async fn alloy_solidity_and_ethers_agree_on_generated_digests() -> Result<()> {
    let solidity = Solidity::start().await?;
    let count = digest::compare(&solidity, DIGESTS_OF_EACH_KIND).await?;
    println!("{count} digests by alloy, {count} by the market, {count} by ethers");
    Ok(())
}

/// The check of the check: one base unit, one second or one millionth too much on one side is seen, in every field.
#[tokio::test]
async fn a_result_that_is_wrong_by_one_is_seen() -> Result<()> {
    let mut source = Source::new(SEED);
    let cases: Vec<Case> = (0..BATCH).map(|_| source.case()).collect();
    let lines: Vec<String> = cases.iter().map(Case::json).collect();
    let rust: Vec<Outcome> = cases.iter().map(Outcome::in_rust).collect();
    let right = JavaScript::start(&[])?.answers(&lines).await?;
    agree(&cases, &rust, &rust, &right)?;
    for field in ["rate", "amount", "capCum", "claimCum", "paidOut", "fee", "net", "share", "fundedUntil"] {
        let wrong = JavaScript::start(&["--off-by-one", field])?.answers(&lines).await?;
        ensure!(agree(&cases, &rust, &rust, &wrong).is_err(), "nobody saw a wrong {field}");
    }
    let mut wrong = rust.clone();
    let life = wrong.iter_mut().find_map(|outcome| outcome.life.as_mut()).context("no case has a lease")?;
    life.funded_until += 1;
    ensure!(agree(&cases, &rust, &wrong, &right).is_err(), "nobody saw a wrong answer of Solidity");
    Ok(())
}
