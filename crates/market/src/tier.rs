//! How strongly a lease's containers are isolated.

use core::fmt;
use core::str::FromStr;

/// Isolation of a lease's containers from the provider's machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Pod Security *restricted*: no root, no capabilities, seccomp.
    Strict = 0,
    /// Root inside the container is nobody outside: Linux user namespaces.
    Userns = 1,
    /// A sandboxing runtime with a kernel of its own.
    Sandboxed = 2,
}

/// The text names no tier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown isolation tier {0:?}, expected strict, userns or sandboxed")]
pub struct ParseTierError(pub String);

/// The number names no tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown isolation tier {0}")]
pub struct UnknownTier(pub u8);

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Userns, Self::Sandboxed];

    /// The word in manifests, CRDs and attributes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Userns => "userns",
            Self::Sandboxed => "sandboxed",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = ParseTierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|tier| tier.name() == text)
            .ok_or_else(|| ParseTierError(text.chars().take(80).collect()))
    }
}

impl From<Tier> for u8 {
    fn from(tier: Tier) -> Self {
        tier as Self
    }
}

impl TryFrom<u8> for Tier {
    type Error = UnknownTier;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|tier| u8::from(*tier) == number).ok_or(UnknownTier(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tier_round_trips_through_text_and_number() {
        for tier in Tier::ALL {
            assert_eq!(tier.to_string().parse(), Ok(tier));
            assert_eq!(Tier::try_from(u8::from(tier)), Ok(tier));
        }
        assert_eq!("Strict".parse::<Tier>(), Err(ParseTierError("Strict".into())));
        assert_eq!(Tier::try_from(3), Err(UnknownTier(3)));
    }
}
