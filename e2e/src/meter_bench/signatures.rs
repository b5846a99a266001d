//! How many statements one processor signs, and verifies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chain::{Eip712, HotKey};
use market::{Address, Amount, B256, LeaseId, Statement, Timestamp};

/// Statements signed and verified per second; each is measured for so long.
///
/// # Errors
/// When a signature is not the signer's.
pub(super) fn per_second(window: Duration) -> Result<(f64, f64)> {
    let key = HotKey::from_hex(&"17".repeat(32)).context("the key is well formed")?;
    let domain = Eip712::new(31_337, Address::repeat_byte(0x42));
    let statement = |number: u64| Statement {
        lease_id: LeaseId(B256::repeat_byte(0x5a)),
        amount_cum: Amount(u128::from(number) * 1_000),
        as_of: Timestamp(1_800_000_000 + number),
        usage_hash: B256::left_padding_from(&number.to_be_bytes()),
        last: false,
    };
    let mut signed = Vec::new();
    let begun = Instant::now();
    for number in 0.. {
        let statement = statement(number);
        signed.push((statement, key.sign_statement(&domain, &statement)?));
        if begun.elapsed() >= window {
            break;
        }
    }
    let signed_per_s = signed.len() as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    for (statement, signature) in &signed {
        ensure!(
            domain.statement_signer(statement, signature) == Some(key.address()),
            "a signature is nobody's"
        );
    }
    Ok((signed_per_s, signed.len() as f64 / begun.elapsed().as_secs_f64()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_signed_is_verified() {
        let (signed, verified) =
            super::per_second(std::time::Duration::from_millis(20)).expect("every signature is the signer's");
        assert!(signed > 0.0 && verified > 0.0);
    }
}
