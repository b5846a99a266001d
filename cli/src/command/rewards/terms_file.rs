//! A programme's terms as its sponsor writes them: YAML, amounts in whole tokens, spans of time in words.

use std::path::Path;

use alloy_primitives::Address;
use anyhow::Context as _;
use chain::rewards::attribute_id;
use market::{Amount, Price, Timestamp};
use rewards::{Factor, Kind, Measure, Multiplier, ProgrammeTerms, Rate, RegionCap, Unspent};
use serde::Deserialize;

use crate::exit;

/// Largest file that is read.
const MAX_BYTES: u64 = 64 * 1024;
/// A rate carries this many digits over the token's.
const SCALE_DIGITS: u8 = 18;

/// The file.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TermsFile {
    kind: KindName,
    /// [default: the market's]
    pub(super) token: Option<Address>,
    /// A moment, or a span from now.
    start: String,
    epoch: String,
    epochs: u32,
    challenge_window: String,
    budget_per_epoch: String,
    #[serde(default)]
    rollover: bool,
    poster_bond: String,
    rate: String,
    max_rate: String,
    #[serde(default)]
    multipliers: Vec<MultiplierLine>,
    #[serde(default)]
    auditors: Vec<Address>,
    capacity: Option<Capacity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Matched,
    Capacity,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct MultiplierLine {
    key: String,
    value: String,
    factor: String,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Capacity {
    quorum: u8,
    provider_cap: u128,
    bond_per_unit: String,
    regions: Vec<RegionLine>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegionLine {
    region: String,
    units_per_epoch: u128,
}

/// A field that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    path: String,
    reason: String,
}

/// Reads a file; what is wrong is named with its field.
pub(super) fn read(path: &Path) -> anyhow::Result<TermsFile> {
    use std::io::Read as _;
    let describe = || format!("failed to read {}", path.display());
    let mut text = String::new();
    std::fs::File::open(path)
        .with_context(describe)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .with_context(describe)?;
    parse(&text).map_err(|problem| refuse(path, problem))
}

fn parse(text: &str) -> Result<TermsFile, Problem> {
    let mut path = String::new();
    serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        let mut track = serde_path_to_error::Track::new();
        TermsFile::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track))
            .inspect_err(|_| path = track.path().to_string())
    })
    .map_err(|error| Problem { path: path.clone(), reason: error.without_snippet().to_string() })
}

/// The problem as an end of the command.
pub(super) fn refuse(file: &Path, problem: Problem) -> anyhow::Error {
    let Problem { path, reason } = problem;
    exit::Stop::new(exit::Kind::Usage, format!("{}: {path}: {reason}", file.display())).into()
}

impl TermsFile {
    /// The terms in base units. `decimals` are those of the token, `now` is the chain's time.
    pub(super) fn resolve(
        self,
        token: Address,
        decimals: u8,
        now: Timestamp,
    ) -> Result<ProgrammeTerms, Problem> {
        let TermsFile { kind, token: _, start, epoch, epochs, challenge_window, .. } = &self;
        let tokens = |path: &str, text: &str| decimal(path, text, decimals);
        // A matched programme pays in the token that it counts; capacity is counted in units of its own.
        let rate_digits = match kind {
            KindName::Matched => SCALE_DIGITS,
            KindName::Capacity => SCALE_DIGITS.saturating_add(decimals),
        };
        let mut multipliers = Vec::with_capacity(self.multipliers.len());
        for (place, line) in self.multipliers.iter().enumerate() {
            let path = format!("multipliers[{place}].factor");
            let factor = decimal(&path, &line.factor, 4)?.0;
            let factor = u32::try_from(factor).map_err(|_| problem(&path, "is too large"))?;
            let attribute = attribute_id(&line.key, &line.value);
            multipliers.push(Multiplier { attribute, factor: Factor(factor) });
        }
        // The contract wants these in ascending order; people write them as they like.
        multipliers.sort_by_key(|it| it.attribute);
        let mut auditors = self.auditors.clone();
        auditors.sort();
        let (kind, capacity) = match (kind, self.capacity.as_ref()) {
            (KindName::Matched, None) => (Kind::Matched, None),
            (KindName::Capacity, Some(capacity)) => (Kind::Capacity, Some(capacity)),
            (KindName::Matched, Some(_)) => return Err(problem("capacity", "a matched programme has none")),
            (KindName::Capacity, None) => return Err(problem("capacity", "is missing")),
        };
        let mut region_caps: Vec<_> =
            capacity.iter().flat_map(|it| &it.regions).map(RegionLine::cap).collect();
        region_caps.sort_by_key(|it| it.region);
        Ok(ProgrammeTerms {
            kind,
            token,
            start_at: moment("start", start, now)?,
            epoch_length: span("epoch", epoch)?,
            epochs: *epochs,
            challenge_window: span("challengeWindow", challenge_window)?,
            budget_per_epoch: tokens("budgetPerEpoch", &self.budget_per_epoch)?,
            unspent: if self.rollover { Unspent::RollsOver } else { Unspent::Returns },
            poster_bond: tokens("posterBond", &self.poster_bond)?,
            rate: Rate(decimal("rate", &self.rate, rate_digits)?.0),
            max_rate: Rate(decimal("maxRate", &self.max_rate, rate_digits)?.0),
            multipliers,
            auditors,
            quorum: capacity.map(|it| it.quorum).unwrap_or_default(),
            provider_cap: Measure(capacity.map(|it| it.provider_cap).unwrap_or_default()),
            region_caps,
            bond_per_unit: match capacity {
                Some(it) => {
                    let digits = SCALE_DIGITS.saturating_add(decimals);
                    Price(decimal("capacity.bondPerUnit", &it.bond_per_unit, digits)?.0)
                }
                None => Price(0),
            },
        })
    }
}

impl RegionLine {
    /// A region is named by the attribute that providers attest.
    fn cap(&self) -> RegionCap {
        RegionCap {
            region: attribute_id("region", &self.region),
            units_per_epoch: Measure(self.units_per_epoch),
        }
    }
}

fn problem(path: &str, reason: impl ToString) -> Problem {
    Problem { path: path.to_owned(), reason: reason.to_string() }
}

fn decimal(path: &str, text: &str, digits: u8) -> Result<Amount, Problem> {
    Amount::from_decimal(text, digits).map_err(|error| problem(path, error))
}

fn span(path: &str, text: &str) -> Result<u32, Problem> {
    text.parse::<manifest::Seconds>().map(|span| span.0).map_err(|error| problem(path, error))
}

fn moment(path: &str, text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    if let Ok(span) = text.parse::<manifest::Seconds>() {
        return Ok(now.saturating_add(u64::from(span.0)));
    }
    let moment = text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_second()).ok());
    moment.map(Timestamp).ok_or_else(|| {
        problem(path, "expected a moment such as 2027-01-01T00:00:00Z, or a span from now such as 1h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATCHED: &str = "\
kind: matched
start: 1h
epoch: 7d
epochs: 52
challengeWindow: 2d
budgetPerEpoch: '1000'
rollover: true
posterBond: '50'
rate: '0.5'
maxRate: '0.9'
multipliers:
  - {key: region, value: af, factor: '1.5'}
";

    fn resolved(text: &str) -> Result<ProgrammeTerms, Problem> {
        parse(text)?.resolve(Address::repeat_byte(1), 6, Timestamp(1_000))
    }

    fn matched() -> ProgrammeTerms {
        ProgrammeTerms {
            kind: Kind::Matched,
            token: Address::repeat_byte(1),
            start_at: Timestamp(4_600),
            epoch_length: 604_800,
            epochs: 52,
            challenge_window: 172_800,
            budget_per_epoch: Amount(1_000_000_000),
            unspent: Unspent::RollsOver,
            poster_bond: Amount(50_000_000),
            rate: Rate(500_000_000_000_000_000),
            max_rate: rewards::KAPPA_MAX,
            multipliers: vec![Multiplier { attribute: attribute_id("region", "af"), factor: Factor(15_000) }],
            auditors: Vec::new(),
            quorum: 0,
            provider_cap: Measure(0),
            region_caps: Vec::new(),
            bond_per_unit: Price(0),
        }
    }

    #[test]
    fn terms_are_read_in_whole_tokens_and_spans() {
        assert_eq!(resolved(MATCHED), Ok(matched()));
        let moment = MATCHED.replace("start: 1h", "start: 1970-01-01T01:00:00Z");
        assert_eq!(resolved(&moment), Ok(ProgrammeTerms { start_at: Timestamp(3_600), ..matched() }));
    }

    #[test]
    fn terms_of_capacity_are_sorted_as_the_contract_wants_them() {
        let (low, high) = (Address::repeat_byte(2), Address::repeat_byte(3));
        let text = MATCHED.replace("kind: matched", "kind: capacity")
            + &format!("auditors: ['{high}', '{low}']\n")
            + "capacity:\n  quorum: 2\n  providerCap: 70\n  bondPerUnit: '0.25'\n  regions:\n"
            + "    - {region: af, unitsPerEpoch: 100}\n    - {region: sa, unitsPerEpoch: 90}\n";
        let cap = |name: &str, units| RegionCap {
            region: attribute_id("region", name),
            units_per_epoch: Measure(units),
        };
        let mut region_caps = vec![cap("af", 100), cap("sa", 90)];
        region_caps.sort_by_key(|it| it.region);
        let expected = ProgrammeTerms {
            kind: Kind::Capacity,
            rate: Rate(500_000_000_000_000_000_000_000),
            max_rate: Rate(900_000_000_000_000_000_000_000),
            auditors: vec![low, high],
            quorum: 2,
            provider_cap: Measure(70),
            region_caps,
            bond_per_unit: Price(250_000_000_000_000_000_000_000),
            ..matched()
        };
        assert_eq!(resolved(&text), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        let path = |text: &str| resolved(text).unwrap_err().path;
        assert_eq!(path(&MATCHED.replace("epochs: 52", "epochs: many")), "epochs");
        assert_eq!(path(&MATCHED.replace("value: af", "valeu: af")), "multipliers[0].valeu");
        assert_eq!(path(&MATCHED.replace("'1.5'", "'1.55555'")), "multipliers[0].factor");
        assert_eq!(path(&MATCHED.replace("epoch: 7d", "epoch: soon")), "epoch");
        assert_eq!(path(&MATCHED.replace("start: 1h", "start: later")), "start");
        assert_eq!(path(&MATCHED.replace("kind: matched", "kind: capacity")), "capacity");
        assert_eq!(path(&(MATCHED.to_owned() + "colour: red\n")), "colour");
    }
}
