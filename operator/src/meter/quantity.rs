//! Reads Kubernetes quantities as whole numbers. The API server rewrites what we applied (`1073741824`
//! becomes `1Gi`), so the text that comes back is not the text that was sent.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Suffixes with their factor in thousandths.
const SUFFIXES: [(&str, u128); 13] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("m", 1),
    ("", 1000),
];

/// Thousandths, rounded down; `None` for what is no quantity or does not fit.
pub(crate) fn milli(quantity: &Quantity) -> Option<u64> {
    let text = quantity.0.as_str();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = SUFFIXES.iter().find(|(name, _)| *name == suffix).map(|(_, factor)| *factor)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = &fraction[..fraction.len().min(9)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    u64::try_from(digits.checked_mul(factor)? / scale).ok()
}

/// Whole units, rounded down.
pub(crate) fn whole(quantity: &Quantity) -> Option<u64> {
    milli(quantity).map(|milli| milli / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_every_form_that_the_api_server_writes() {
        let cases = [
            ("250m", Some(250)),
            ("1", Some(1000)),
            ("1.5", Some(1500)),
            ("1Ki", Some(1_024_000)),
            ("128Mi", Some(134_217_728_000)),
            ("1Gi", Some(1_073_741_824_000)),
            ("2k", Some(2_000_000)),
            ("", None),
            ("Gi", None),
            ("-1", None),
            ("1e3", None),
            ("1.2.3", None),
            ("18446744073709551616", None),
        ];
        for (text, milli) in cases {
            assert_eq!(super::milli(&Quantity(text.to_owned())), milli, "{text}");
        }
        assert_eq!(whole(&Quantity("64Mi".to_owned())), Some(64 << 20));
    }
}
