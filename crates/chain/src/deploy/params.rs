//! What a market is deployed with: one reviewed file for each deployment.

use std::fmt;
use std::str::FromStr;

use alloy::primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

use super::bounds::{self, Problem};
use super::span::Span;
use market::Windows;

/// The largest file that is read.
const MAX_BYTES: usize = 64 * 1024;

/// The content of a parameters file. The same form, in JSON, is kept in the record of the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Params {
    /// EIP-155 id of the chain; the node must follow it.
    pub chain_id: u64,
    /// Whether the money of this chain is worth nothing, so that the bounds for production do not apply.
    #[serde(default)]
    pub test_chain: bool,
    /// Another salt gives another market with the same parameters.
    pub salt: B256,
    /// The account that sends the transactions. It has no power afterwards.
    pub deployer: Address,
    /// The token that providers post bonds in; one of `tokens`.
    pub bond_token: Address,
    /// The least bond of a provider, in whole tokens with the symbol: `500 USDC`.
    pub min_bond: TokenAmount,
    /// How long a bond waits, from the moment it is asked back, before it can be withdrawn.
    pub unbond_delay: Span,
    /// The windows of claims and disputes.
    pub windows: WindowParams,
    /// Who receives fees and the treasury's part of slashed bonds.
    pub treasury: Address,
    /// The market's fee on new leases, in hundredths of a percent.
    #[serde(default)]
    pub fee_bps: u16,
    /// The tokens that leases may be paid in.
    pub tokens: Vec<Token>,
    /// How the contracts keep from being re-entered.
    pub guard: Guard,
    /// Who administers.
    pub administration: Administration,
    /// Whether the `RewardsDistributor` is deployed too.
    pub rewards: bool,
    /// Blocks that a transaction must have, its own included, before the next is sent.
    pub confirmations: u64,
}

/// The windows of claims and disputes, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WindowParams {
    /// After a lease's end, for claims.
    pub claim: Span,
    /// After a claim's filing, for a dispute.
    pub dispute: Span,
    /// After a dispute, for the arbiter.
    pub arbiter: Span,
}

impl WindowParams {
    /// The same in seconds.
    pub fn seconds(&self) -> Windows {
        Windows { claim: self.claim.0, dispute: self.dispute.0, arbiter: self.arbiter.0 }
    }
}

/// A token that the market takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The contract.
    pub address: Address,
    /// Its short name; the token must answer the same.
    pub symbol: String,
    /// Its decimals; the token must answer the same.
    pub decimals: u8,
}

/// Who administers the market afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Administration {
    /// May allow tokens, set the fee of new leases and recover surplus, after the delay.
    pub admin: Address,
    /// How long everybody can see what the admin is about to do.
    pub admin_delay: Span,
    /// May pause and resume intake at once, and nothing else.
    pub guardian: Address,
}

/// How the contracts keep from being re-entered: chosen when they are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// By transient storage, EIP-1153. Cheaper.
    Transient,
    /// By storage, for chains without EIP-1153.
    Storage,
}

impl Guard {
    /// Foundry's profile that compiles the contracts so.
    pub const fn profile(self) -> &'static str {
        match self {
            Self::Transient => "default",
            Self::Storage => "storage-guard",
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Storage => "storage",
        })
    }
}

/// An amount of whole tokens with a symbol, such as `500 USDC` or `0.5 WETH`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenAmount {
    whole: u128,
    /// The digits after the point.
    fraction: String,
    /// The token's short name.
    pub symbol: String,
}

/// A text is no amount of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a decimal number, a space and the token's symbol, such as 500 USDC")]
pub struct TokenAmountError;

impl TokenAmount {
    /// The amount of base units of a token with `decimals`.
    pub fn of_base_units(units: u128, decimals: u8, symbol: &str) -> Self {
        let scale = 10u128.checked_pow(decimals.into()).unwrap_or(u128::MAX);
        let (whole, rest) = (units / scale, units % scale);
        let fraction = match rest {
            0 => String::new(),
            rest => format!("{rest:0width$}", width = usize::from(decimals)).trim_end_matches('0').to_owned(),
        };
        Self { whole, fraction, symbol: symbol.to_owned() }
    }

    /// The amount in base units of a token with `decimals`, if that is exact and fits.
    pub fn base_units(&self, decimals: u8) -> Option<u128> {
        let padding = usize::from(decimals).checked_sub(self.fraction.len())?;
        let scale = 10u128.checked_pow(decimals.into())?;
        let fraction: u128 = match self.fraction.as_str() {
            "" => 0,
            digits => digits.parse().ok()?,
        };
        let fraction = fraction.checked_mul(10u128.checked_pow(padding.try_into().ok()?)?)?;
        self.whole.checked_mul(scale)?.checked_add(fraction)
    }
}

impl FromStr for TokenAmount {
    type Err = TokenAmountError;

    fn from_str(text: &str) -> Result<Self, TokenAmountError> {
        let (number, symbol) = text.split_once(' ').ok_or(TokenAmountError)?;
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return Err(TokenAmountError),
            Some(parts) => parts,
            None => (number, ""),
        };
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || symbol.is_empty() {
            return Err(TokenAmountError);
        }
        if symbol.contains(char::is_whitespace) {
            return Err(TokenAmountError);
        }
        let whole = whole.parse().map_err(|_| TokenAmountError)?;
        Ok(Self { whole, fraction: fraction.to_owned(), symbol: symbol.to_owned() })
    }
}

impl TryFrom<String> for TokenAmount {
    type Error = TokenAmountError;

    fn try_from(text: String) -> Result<Self, TokenAmountError> {
        text.parse()
    }
}

impl From<TokenAmount> for String {
    fn from(amount: TokenAmount) -> Self {
        amount.to_string()
    }
}

impl fmt::Display for TokenAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whole, fraction, symbol } = self;
        match fraction.as_str() {
            "" => write!(f, "{whole} {symbol}"),
            digits => write!(f, "{whole}.{digits} {symbol}"),
        }
    }
}

/// A parameters file that was read and is within the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedParams {
    /// The parameters.
    pub params: Params,
    /// The hash of the file's bytes, so that the record names the very file that was reviewed.
    pub hash: B256,
}

/// A parameters file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    /// It is larger than any such file.
    #[error("the file has {0} bytes; at most {MAX_BYTES} are read")]
    TooLong(usize),
    /// It is not what such a file holds.
    #[error("line {line}, column {column}: {path}: {reason}")]
    Parse {
        /// Where, from 1.
        line: u64,
        /// Where, from 1.
        column: u64,
        /// The field.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Its numbers are out of their bounds.
    #[error("{}", list(.0))]
    OutOfBounds(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Params {
    /// Reads a parameters file and holds it against the bounds; every field out of bounds is named.
    pub fn parse(text: &str) -> Result<ReviewedParams, ParamsError> {
        if text.len() > MAX_BYTES {
            return Err(ParamsError::TooLong(text.len()));
        }
        let options = serde_saphyr::options! {
            with_snippet: false,
            strict_booleans: true,
            reject_unsupported_tags: true,
        };
        let mut path = String::new();
        let parsed = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            let mut track = serde_path_to_error::Track::new();
            Self::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track))
                .inspect_err(|_| path = track.path().to_string())
        });
        let params = parsed.map_err(|error| {
            let error = error.without_snippet();
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            ParamsError::Parse { line, column, path, reason: error.to_string() }
        })?;
        match bounds::problems(&params) {
            problems if problems.is_empty() => Ok(ReviewedParams { params, hash: keccak256(text) }),
            problems => Err(ParamsError::OutOfBounds(problems)),
        }
    }

    /// The bond token's entry in the list of tokens.
    pub fn bond_token_entry(&self) -> Option<&Token> {
        self.tokens.iter().find(|token| token.address == self.bond_token)
    }

    /// The least bond in base units; the bounds hold that there is such a number.
    pub fn min_bond_units(&self) -> Option<u128> {
        self.min_bond.base_units(self.bond_token_entry()?.decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../../../../contracts/deployments/params/example.yaml");

    fn refusal(from: &str, to: &str) -> String {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE);
        Params::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn a_field_that_is_unknown_missing_or_ill_typed_is_named_with_its_path() {
        for (from, to, path) in [
            ("guardian:", "guardain:", "administration.guardain: "),
            ("  claim: 36h", "  claim: 36", "windows.claim: "),
            ("minBond: 500 USDC", "minBond: lots", "minBond: "),
            ("symbol: USDC, decimals: 6", "symbol: USDC, decimals: six", "tokens[0].decimals: "),
            ("guard: transient", "guard: none", "guard: "),
        ] {
            let printed = refusal(from, to);
            let (place, rest) = printed.split_once(": ").unwrap();
            assert!(place.starts_with("line ") && rest.starts_with(path), "{printed}");
        }
        assert!(refusal("treasury: ", "treasurer: ").contains("treasurer"));
        assert!(refusal("confirmations: 12", "").contains("confirmations"));
        assert!(matches!(Params::parse(&"#".repeat(MAX_BYTES + 1)), Err(ParamsError::TooLong(_))));
    }

    #[test]
    fn parameters_survive_the_way_into_a_record_and_the_hash_is_the_files() {
        let ReviewedParams { params, hash } = Params::parse(FILE).unwrap();
        assert_eq!(hash, keccak256(FILE));
        let text = serde_json::to_string(&params).unwrap();
        assert_eq!(serde_json::from_str::<Params>(&text).unwrap(), params);
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, decimals, units) in [
            ("500 USDC", 6, Some(500_000_000)),
            ("0.5 WETH", 18, Some(500_000_000_000_000_000)),
            ("0.0000001 USDC", 6, None),
            ("999999999999999999999999999999999999999 X", 6, None),
        ] {
            let parsed = text.parse::<TokenAmount>();
            assert_eq!(parsed.ok().and_then(|amount| amount.base_units(decimals)), units, "{text}");
        }
        for text in ["500", "500USDC", "1. USDC", ".5 USDC", "-1 USDC", "1 US DC", "1e3 USDC", "1  USDC"] {
            assert_eq!(text.parse::<TokenAmount>(), Err(TokenAmountError), "{text}");
        }
        for (units, printed) in [(500_000_000, "500 USDC"), (1, "0.000001 USDC"), (1_250_000, "1.25 USDC")] {
            let amount = TokenAmount::of_base_units(units, 6, "USDC");
            assert_eq!((amount.to_string().as_str(), amount.base_units(6)), (printed, Some(units)));
        }
    }
}
