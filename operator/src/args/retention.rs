//! How long the ledger keeps what: flags of `operator meter`.

use clap::Args;
use ledger::{InvalidRetention, Retention};

/// How long the ledger keeps what. The defaults are two days, 90 days and six hours.
#[derive(Debug, Args)]
pub(super) struct RetentionArgs {
    /// Seconds for which five-minute rollups are kept, not shorter than what is unsigned.
    #[arg(long, default_value_t = Retention::default().fives, value_parser = clap::value_parser!(u64).range(3600..))]
    retain_five_minutes: u64,
    /// Seconds for which hours are kept, what tenants signed, and leases that are over; not shorter than five minutes.
    #[arg(long, default_value_t = Retention::default().hours, value_parser = clap::value_parser!(u64).range(3600..))]
    retain_hours: u64,
    /// Seconds for which what was published and never signed is kept.
    #[arg(long, default_value_t = Retention::default().unsigned, value_parser = clap::value_parser!(u64).range(600..))]
    retain_unsigned: u64,
}

impl RetentionArgs {
    /// The flags as one retention that proves what it keeps.
    pub(super) fn retention(&self) -> Result<Retention, InvalidRetention> {
        let Self { retain_five_minutes, retain_hours, retain_unsigned } = *self;
        let retention =
            Retention { fives: retain_five_minutes, hours: retain_hours, unsigned: retain_unsigned };
        retention.check()?;
        Ok(retention)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        retention: RetentionArgs,
    }

    fn parse(flags: &[&str]) -> Result<RetentionArgs, clap::Error> {
        Flags::try_parse_from(["meter"].iter().chain(flags)).map(|flags| flags.retention)
    }

    #[test]
    fn flags_that_are_left_out_keep_what_was_always_kept() {
        assert_eq!(parse(&[]).unwrap().retention(), Ok(Retention::default()));
        let given = ["--retain-five-minutes=7200", "--retain-hours=36000", "--retain-unsigned=600"];
        let expected = Retention { fives: 7200, hours: 36_000, unsigned: 600 };
        assert_eq!(parse(&given).unwrap().retention(), Ok(expected));
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        let refused = |flags: &[&str]| parse(flags).unwrap().retention().unwrap_err();
        assert_eq!(refused(&["--retain-five-minutes=21599"]), InvalidRetention::FivesBelowUnsigned);
        assert_eq!(refused(&["--retain-hours=172799"]), InvalidRetention::HoursBelowFives);
        for flag in ["--retain-five-minutes=3599", "--retain-hours=0", "--retain-unsigned=599"] {
            assert!(parse(&[flag]).is_err(), "{flag}");
        }
    }
}
