//! Key files: 32 bytes in hexadecimal, mode 0600. Their content is never printed.

use std::path::Path;

use alloy_primitives::hex;
use anyhow::Context as _;
use chain::HotKey;
use zeroize::Zeroizing;

use crate::private_file;

/// Loads a key after its file's mode was checked.
pub(crate) fn load(path: &Path) -> anyhow::Result<HotKey> {
    private_file::check_mode(path)?;
    HotKey::from_file(path).with_context(|| format!("failed to load the key in {}", path.display()))
}

/// Makes a new key in a new file.
pub(crate) fn create(path: &Path) -> anyhow::Result<HotKey> {
    let key = HotKey::random();
    private_file::create(path, format!("{}\n", to_hex(&key).as_str()).as_bytes())?;
    Ok(key)
}

/// The key as text, for a private file and nothing else.
pub(crate) fn to_hex(key: &HotKey) -> Zeroizing<String> {
    key.expose(|bytes| Zeroizing::new(format!("0x{}", hex::encode(bytes))))
}
