//! The agent's settings: a small TOML file, with flags in its place. Unknown keys are errors that name their path.

use std::collections::BTreeMap;
use std::path::Path;

use alloy_primitives::B256;
use anyhow::Context as _;
use market::{Amount, BasisPoints, LeaseId};
use serde::Deserialize;
use url::Url;

use crate::countersign::{Terms, Tolerance};
use crate::exit::{Kind, Stop};
use crate::money::Money;

/// Seconds between two looks at a lease.
const INTERVAL: u64 = 30;
/// Seconds before a lease's money runs out at which that is told.
const WARN_BEFORE: u64 = 86_400;
/// Seconds for which a provider may be silent before that is told.
const UNREACHABLE_AFTER: u64 = 900;

/// What to do about a claim that is too high.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DisputeRule {
    /// Say so, until when, and by which command.
    #[default]
    Tell,
    /// Dispute it with the tenant's key.
    Automatic,
}

/// What the tenant wants of one lease, or of all that nothing else is said of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaseTerms {
    /// The most that is signed for in all, in tokens.
    pub(crate) budget: Option<String>,
    /// How much more than this side's own figure is accepted, in base units.
    pub(crate) tolerance: Option<u64>,
    /// The same as a share of the figure, in hundredths of a per cent.
    pub(crate) tolerance_bps: Option<u16>,
    pub(crate) disputes: Option<DisputeRule>,
}

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    interval: Option<u64>,
    warn_before: Option<u64>,
    unreachable_after: Option<u64>,
    webhook: Option<Url>,
    #[serde(default)]
    defaults: LeaseTerms,
    #[serde(default)]
    leases: BTreeMap<String, LeaseTerms>,
}

/// The settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Seconds between two looks at a lease.
    pub(crate) interval: u64,
    pub(crate) warn_before: u64,
    pub(crate) unreachable_after: u64,
    pub(crate) webhook: Option<Url>,
    defaults: LeaseTerms,
    leases: BTreeMap<LeaseId, LeaseTerms>,
}

impl LeaseTerms {
    /// These, and `others` where these say nothing.
    pub(crate) fn or(self, others: &LeaseTerms) -> LeaseTerms {
        LeaseTerms {
            budget: self.budget.or_else(|| others.budget.clone()),
            tolerance: self.tolerance.or(others.tolerance),
            tolerance_bps: self.tolerance_bps.or(others.tolerance_bps),
            disputes: self.disputes.or(others.disputes),
        }
    }
}

impl Config {
    /// Reads the file, if one is given.
    pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Self::parse("") };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} cannot be used", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong = |path: String, reason: String| {
            Stop::new(Kind::Usage, format!("{path}: {}", reason.trim_end()))
                .advise("docs/tenants.md shows every setting of `leasehold agent`")
        };
        let parsed = toml::Deserializer::parse(text).map_err(|error| wrong(".".into(), error.to_string()))?;
        let document: Document = serde_path_to_error::deserialize(parsed)
            .map_err(|error| wrong(error.path().to_string(), error.inner().message().to_owned()))?;
        let mut leases = BTreeMap::new();
        for (key, terms) in document.leases {
            let path = format!("leases.{key}");
            let id: LeaseId = key.parse().map_err(|error| wrong(path.clone(), format!("{error}")))?;
            check_share(&terms).map_err(|reason| wrong(format!("{path}.tolerance_bps"), reason))?;
            leases.insert(id, terms);
        }
        check_share(&document.defaults).map_err(|reason| wrong("defaults.tolerance_bps".into(), reason))?;
        let interval = document.interval.unwrap_or(INTERVAL);
        if !(1..=3_600).contains(&interval) {
            return Err(wrong("interval".into(), "expected 1 to 3600 seconds".into()).into());
        }
        if document.webhook.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
            return Err(wrong("webhook".into(), "expected an http or https URL".into()).into());
        }
        Ok(Config {
            interval,
            warn_before: document.warn_before.unwrap_or(WARN_BEFORE),
            unreachable_after: document.unreachable_after.unwrap_or(UNREACHABLE_AFTER),
            webhook: document.webhook,
            defaults: document.defaults,
            leases,
        })
    }

    /// Puts what the command line says in the place of the file's defaults.
    #[must_use]
    pub(crate) fn with_flags(self, interval: Option<u64>, webhook: Option<Url>, flags: LeaseTerms) -> Self {
        Config {
            interval: interval.unwrap_or(self.interval),
            webhook: webhook.or(self.webhook),
            defaults: flags.or(&self.defaults),
            ..self
        }
    }

    /// Refuses amounts that the token cannot express, before anything is done.
    pub(crate) fn check_amounts(&self, money: &Money) -> anyhow::Result<()> {
        let ids = self.leases.keys().copied().chain([LeaseId(B256::ZERO)]);
        ids.into_iter().try_for_each(|id| self.terms(id, money).map(drop))
    }

    /// Whether some lease asks for disputes to be filed.
    pub(crate) fn may_dispute(&self) -> bool {
        self.leases
            .values()
            .chain([&self.defaults])
            .any(|terms| terms.disputes == Some(DisputeRule::Automatic))
    }

    /// What is wanted of a lease.
    pub(crate) fn terms(&self, lease: LeaseId, money: &Money) -> anyhow::Result<(Terms, DisputeRule)> {
        let own = self.leases.get(&lease).cloned().unwrap_or_default();
        let LeaseTerms { budget, tolerance, tolerance_bps, disputes } = own.or(&self.defaults);
        let budget = budget.map(|text| {
            Amount::from_decimal(&text, money.decimals)
                .map_err(|error| Stop::new(Kind::Usage, format!("the budget of lease {lease}: {error}")))
        });
        let share = BasisPoints::new(tolerance_bps.unwrap_or_default())
            .map_err(|error| Stop::new(Kind::Usage, error.to_string()))?;
        let tolerance = Tolerance { fixed: Amount(u128::from(tolerance.unwrap_or_default())), share };
        Ok((Terms { tolerance, budget: budget.transpose()? }, disputes.unwrap_or_default()))
    }
}

fn check_share(terms: &LeaseTerms) -> Result<(), String> {
    let share = BasisPoints::new(terms.tolerance_bps.unwrap_or_default());
    share.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

    fn money() -> Money {
        Money { decimals: 6, symbol: "TEST".into() }
    }

    #[test]
    fn the_documented_example_is_read_and_a_lease_goes_before_the_defaults() {
        let page = include_str!("../../../docs/tenants.md");
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let config = Config::parse(example).unwrap();
        assert_eq!((config.interval, config.warn_before, config.unreachable_after), (30, 172_800, 900));
        assert_eq!(config.webhook.as_ref().unwrap().as_str(), "https://hooks.example.com/leasehold");
        let own = Terms {
            tolerance: Tolerance { fixed: Amount(1_000), share: BasisPoints::new(25).unwrap() },
            budget: Some(Amount(40_000_000)),
        };
        let id = *config.leases.keys().next().unwrap();
        assert_eq!(config.terms(id, &money()).unwrap(), (own, DisputeRule::Automatic));
        let others = Terms { tolerance: Tolerance { fixed: Amount(1_000), ..own.tolerance }, budget: None };
        let others =
            Terms { tolerance: Tolerance { share: BasisPoints::ZERO, ..others.tolerance }, ..others };
        assert_eq!(config.terms(LEASE.parse().unwrap(), &money()).unwrap(), (others, DisputeRule::Tell));
    }

    #[test]
    fn flags_go_before_the_files_defaults_and_not_before_a_lease() {
        let text = format!("[defaults]\ntolerance = 5\n[leases.{LEASE}]\ntolerance = 7\n");
        let flags = LeaseTerms { tolerance: Some(9), ..LeaseTerms::default() };
        let config = Config::parse(&text).unwrap().with_flags(Some(3), None, flags);
        let fixed = |lease: &str| config.terms(lease.parse().unwrap(), &money()).unwrap().0.tolerance.fixed;
        assert_eq!((config.interval, fixed(LEASE)), (3, Amount(7)));
        assert_eq!(fixed(&LEASE.replace("01", "02")), Amount(9));
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_path() {
        let said = |text: &str| Config::parse(text).unwrap_err().to_string();
        let cases = [
            ("[defaults]\nbugdet = \"1\"\n", "defaults.bugdet: unknown field"),
            ("intervall = 1\n", "intervall: unknown field"),
            ("interval = 0\n", "interval: expected 1 to 3600 seconds"),
            ("webhook = \"ftp://a\"\n", "webhook: expected an http or https URL"),
            ("[defaults]\ntolerance_bps = 10001\n", "defaults.tolerance_bps: 10001 basis points"),
            ("[defaults]\ndisputes = \"never\"\n", "defaults.disputes: unknown variant"),
            ("[leases.0x12]\n", "leases.0x12: "),
            ("= 1\n", ".: "),
        ];
        for (text, expected) in cases {
            assert!(said(text).starts_with(expected), "{text}: {}", said(text));
        }
    }
}
