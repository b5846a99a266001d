//! What the parameters of a deployment must satisfy, because nobody can change them afterwards.
//!
//! The bounds that the contracts themselves enforce hold everywhere. Those that protect people, who need time to
//! notice and to act, hold on every chain but a test chain.

use std::fmt;

use alloy::primitives::Address;

use super::params::Params;
use super::span::Span;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The longest window that the market takes.
const MAX_WINDOW: Span = Span(365 * DAY);
/// What the market takes as a fee.
const MAX_FEE_BPS: u16 = 500;
/// Decimals of tokens that the market's arithmetic is sized for.
const DECIMALS: std::ops::RangeInclusive<u8> = 6..=18;
/// How many tokens the market can list.
const MAX_TOKENS: usize = 255;
/// What an arbiter has at least, after the last moment of a supplementary claim, with everything before it.
const ARBITER_MARGIN: u64 = 3 * DAY;
/// Chains whose coin is worth money; calling one a test chain is a mistake.
const CHAINS_WITH_MONEY: [u64; 12] = [1, 10, 56, 100, 130, 137, 324, 8453, 42_161, 42_220, 43_114, 59_144];

/// One parameter that is out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, as a path into the file.
    pub field: String,
    /// What the file says.
    pub value: String,
    /// What it may be.
    pub bound: String,
    /// Why.
    pub why: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, bound, why } = self;
        write!(f, "{field} is {value}, but must be {bound}: {why}")
    }
}

/// Everything that is wrong with the parameters, in the order of the file.
pub(super) fn problems(params: &Params) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    chain(params, &mut found);
    bond(params, &mut found);
    windows(params, &mut found);
    tokens(params, &mut found);
    accounts(params, &mut found);
    if !params.test_chain {
        time_for_people(params, &mut found);
    }
    found.0
}

struct Found(Vec<Problem>);

impl Found {
    /// Notes a problem unless `holds`.
    fn require(
        &mut self,
        holds: bool,
        field: impl Into<String>,
        value: impl fmt::Display,
        bound: impl Into<String>,
        why: &'static str,
    ) {
        if !holds {
            let (field, value, bound) = (field.into(), value.to_string(), bound.into());
            self.0.push(Problem { field, value, bound, why });
        }
    }

    fn at_least(&mut self, field: &str, value: Span, bound: u64, why: &'static str) {
        self.require(value.0 >= bound, field, value, format!("at least {}", Span(bound)), why);
    }
}

fn chain(params: &Params, found: &mut Found) {
    let id = params.chain_id;
    found.require(id != 0, "chainId", id, "above 0", "every chain has an id, and signatures name it");
    let is_test = params.test_chain && CHAINS_WITH_MONEY.contains(&id);
    found.require(
        !is_test,
        "testChain",
        format!("true for chain {id}"),
        "false there",
        "money on this chain is worth something, so its users need the windows of production",
    );
    let confirmations = params.confirmations;
    found.require(
        (1..=1000).contains(&confirmations),
        "confirmations",
        confirmations,
        "from 1 to 1000",
        "a transaction counts once a block holds it, and a run must come to its end",
    );
    let fee = params.fee_bps;
    found.require(
        fee <= MAX_FEE_BPS,
        "feeBps",
        fee,
        format!("at most {MAX_FEE_BPS}"),
        "the market refuses a fee above 5 %",
    );
}

fn bond(params: &Params, found: &mut Found) {
    let Some(token) = params.bond_token_entry() else {
        found.require(
            false,
            "bondToken",
            params.bond_token,
            "one of tokens",
            "command line and agent pay bonds and leases in one token, and slashed bond reaches the victim of a lease \
             only where both are in the same token",
        );
        return;
    };
    let symbol = &params.min_bond.symbol;
    let expected = format!("an amount of {}", token.symbol);
    found.require(
        *symbol == token.symbol,
        "minBond",
        &params.min_bond,
        expected,
        "bonds are in the bond token",
    );
    let units = params.min_bond_units();
    found.require(
        units.is_some_and(|units| units > 0),
        "minBond",
        &params.min_bond,
        format!("above 0, with at most {} digits after the point, and fit 128 bits", token.decimals),
        "a provider without a bond risks nothing",
    );
    let delay = params.unbond_delay;
    found.require(
        (1..=MAX_WINDOW.0).contains(&delay.0),
        "unbondDelay",
        delay,
        format!("from 1s to {MAX_WINDOW}"),
        "a bond that can be taken at once backs nothing, and one that cannot be taken is nobody's",
    );
}

fn windows(params: &Params, found: &mut Found) {
    let windows = &params.windows;
    for (field, span) in [
        ("windows.claim", windows.claim),
        ("windows.dispute", windows.dispute),
        ("windows.arbiter", windows.arbiter),
    ] {
        found.require(
            (1..=MAX_WINDOW.0).contains(&span.0),
            field,
            span,
            format!("from 1s to {MAX_WINDOW}"),
            "the market refuses an empty window, and one of more than a year",
        );
    }
    found.require(
        windows.arbiter > windows.claim,
        "windows.arbiter",
        windows.arbiter,
        format!("above windows.claim, {}", windows.claim),
        "the arbiter waits for the provider's supplementary claim, and everybody's money must be out after the three \
         windows (invariant 6)",
    );
}

fn tokens(params: &Params, found: &mut Found) {
    let tokens = &params.tokens;
    found.require(
        (1..=MAX_TOKENS).contains(&tokens.len()),
        "tokens",
        format!("a list of {}", tokens.len()),
        format!("a list of 1 to {MAX_TOKENS}"),
        "without a token nobody can pay, and the market lists no more",
    );
    for (index, token) in tokens.iter().enumerate() {
        let field = |name: &str| format!("tokens[{index}].{name}");
        let earlier = &tokens[..index];
        found.require(
            earlier.iter().all(|other| other.address != token.address),
            field("address"),
            token.address,
            "listed once",
            "the market refuses to allow a token twice",
        );
        found.require(
            earlier.iter().all(|other| other.symbol != token.symbol),
            field("symbol"),
            &token.symbol,
            "listed once",
            "two tokens of one name, one of them perhaps bridged, are easily confused; deploy with one and allow the \
             other later, knowingly",
        );
        found.require(
            DECIMALS.contains(&token.decimals),
            field("decimals"),
            token.decimals,
            format!("from {} to {}", DECIMALS.start(), DECIMALS.end()),
            "the market's arithmetic is sized for these",
        );
        let is_name =
            (1..=16).contains(&token.symbol.len()) && token.symbol.bytes().all(|b| b.is_ascii_graphic());
        found.require(
            is_name,
            field("symbol"),
            format!("{:?}", token.symbol),
            "1 to 16 visible ASCII characters",
            "it is compared with the token's own answer, and shown",
        );
    }
}

fn accounts(params: &Params, found: &mut Found) {
    let administration = &params.administration;
    let mut named = vec![
        ("deployer".to_owned(), params.deployer),
        ("bondToken".to_owned(), params.bond_token),
        ("treasury".to_owned(), params.treasury),
        ("administration.admin".to_owned(), administration.admin),
        ("administration.guardian".to_owned(), administration.guardian),
    ];
    let tokens = params.tokens.iter().enumerate();
    named.extend(tokens.map(|(index, token)| (format!("tokens[{index}].address"), token.address)));
    for (field, address) in named {
        let why = "nobody holds the key of the zero address";
        found.require(address != Address::ZERO, field, address, "another address", why);
    }
    let is_token = params.tokens.iter().any(|token| token.address == params.treasury);
    let why = "what a token contract receives of itself is lost";
    found.require(!is_token, "treasury", params.treasury, "no token", why);
    let delay = administration.admin_delay;
    let why = "a mistake would take more than a year to correct";
    found.require(
        delay <= MAX_WINDOW,
        "administration.adminDelay",
        delay,
        format!("at most {MAX_WINDOW}"),
        why,
    );
}

/// What holds wherever money is worth something: windows in which people notice, and keys that are not one.
fn time_for_people(params: &Params, found: &mut Found) {
    let windows = &params.windows;
    let inclusion = "it must outlast a day in which a sequencer censors, and a weekend's beginning";
    found.at_least("windows.claim", windows.claim, 36 * HOUR, inclusion);
    let tenant =
        "the tenant must notice a wrong claim and get a transaction in, a day of censorship included";
    found.at_least("windows.dispute", windows.dispute, 48 * HOUR, tenant);
    let arbiter = "an arbiter must hear both sides";
    found.at_least("windows.arbiter", windows.arbiter, 7 * DAY, arbiter);
    found.require(
        windows.arbiter.0 >= windows.claim.0.saturating_add(ARBITER_MARGIN),
        "windows.arbiter",
        windows.arbiter,
        format!("at least windows.claim + {}", Span(ARBITER_MARGIN)),
        "the provider may add its supplementary claim until the claim window after the dispute has passed, and the \
         arbiter needs time after that",
    );
    let decided = windows.claim.0.saturating_add(windows.dispute.0).saturating_add(windows.arbiter.0);
    found.require(
        params.unbond_delay.0 >= decided,
        "unbondDelay",
        params.unbond_delay,
        format!("at least windows.claim + windows.dispute + windows.arbiter, {}", Span(decided)),
        "a lease's last claim comes at most claim after its end, a dispute less than dispute after that, and a ruling \
         less than arbiter after the dispute; a bond asked back when its last lease ends must still be there",
    );
    let administration = &params.administration;
    let leave = "whoever does not want a change must have time to see it and to leave";
    found.at_least("administration.adminDelay", administration.admin_delay, 48 * HOUR, leave);
    for (field, account) in [
        ("treasury", params.treasury),
        ("administration.admin", administration.admin),
        ("administration.guardian", administration.guardian),
    ] {
        let why = "the deployer's key was online, and has no power after the deployment";
        found.require(account != params.deployer, field, account, "another account than deployer", why);
    }
    found.require(
        administration.admin != administration.guardian,
        "administration.guardian",
        administration.guardian,
        "another account than administration.admin",
        "the guardian's key must be at hand, and the admin's must not",
    );
}

#[cfg(test)]
mod tests;
