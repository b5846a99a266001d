//! Kubernetes quantities as integers, exactly.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Which way a fraction goes: room is rounded down, requests are rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Down,
    Up,
}

/// The quantity in thousandths. `None` for text that is not a quantity.
pub(super) fn milli(quantity: &Quantity, rounding: Rounding) -> Option<u64> {
    scaled(&quantity.0, 1000, rounding)
}

/// The quantity in whole units.
pub(super) fn whole(quantity: &Quantity, rounding: Rounding) -> Option<u64> {
    scaled(&quantity.0, 1, rounding)
}

fn scaled(text: &str, factor: u128, rounding: Rounding) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (multiplier, divisor) = suffix_value(suffix)?;
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    if integer.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits: u128 = format!("0{integer}{fraction}").parse().ok()?;
    let divisor = divisor.checked_mul(10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    let product = digits.checked_mul(multiplier)?.checked_mul(factor)?;
    let value = match rounding {
        Rounding::Down => product / divisor,
        Rounding::Up => product.div_ceil(divisor),
    };
    u64::try_from(value).ok()
}

/// The suffix as a fraction.
fn suffix_value(suffix: &str) -> Option<(u128, u128)> {
    let value = match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let value = 10_u128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (1, value) } else { (value, 1) }
        }
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, milli_up: Option<u64>, whole_down: Option<u64>) {
        let quantity = Quantity(text.into());
        assert_eq!(
            (milli(&quantity, Rounding::Up), whole(&quantity, Rounding::Down)),
            (milli_up, whole_down),
            "{text}"
        );
    }

    #[test]
    fn every_form_that_the_api_server_writes_is_read() {
        check("2", Some(2000), Some(2));
        check("250m", Some(250), Some(0));
        check("1.5", Some(1500), Some(1));
        check(".5", Some(500), Some(0));
        check("100n", Some(1), Some(0));
        check("128Mi", Some(134_217_728_000), Some(134_217_728));
        check("1.5Gi", Some(1_610_612_736_000), Some(1_610_612_736));
        check("12e3", Some(12_000_000), Some(12_000));
        check("5E-1", Some(500), Some(0));
        check("129M", Some(129_000_000_000), Some(129_000_000));
        check("8k", Some(8_000_000), Some(8000));
    }

    #[test]
    fn nonsense_is_none_and_never_a_panic() {
        for text in
            ["", "-1", "Mi", "1.2.3", "1x", "9999999999999999999999999999999999999999", "1e99", "16Ei1"]
        {
            check(text, None, None);
        }
    }
}
