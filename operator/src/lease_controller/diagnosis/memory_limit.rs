//! Amounts of memory as a manifest writes them.

/// `96Mi`, or bytes where no unit divides them.
pub(super) fn words(bytes: u64) -> String {
    let units = [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size));
    unit.map_or_else(|| format!("{bytes} bytes"), |(size, name)| format!("{}{name}", bytes / size))
}
