//! What a node's answer to a broadcast means.

use crate::rpc::RpcError;

/// What became of a broadcast.
#[derive(Debug)]
pub(super) enum Broadcast {
    /// The node has it, now or since before.
    Accepted,
    /// The connection failed; the node may or may not have it. Broadcasting again is harmless.
    Unknown(RpcError),
    /// The nonce is already in a block.
    NonceTooLow,
    /// The offered fee does not suffice.
    Underpriced,
    /// The account cannot pay.
    NoGas,
    /// The node refuses it for another reason.
    Refused(String),
}

impl Broadcast {
    pub(super) fn read<T>(answer: Result<T, RpcError>) -> Self {
        let error = match answer {
            Ok(_) => return Self::Accepted,
            Err(error) => error,
        };
        match error.message().map(classify) {
            Some(Some(known)) => known,
            Some(None) if error.is_refused() => Self::Refused(error.message().unwrap_or_default().to_owned()),
            _ => Self::Unknown(error),
        }
    }
}

/// Nodes have no codes for these; the words below are those of geth, reth, nethermind, besu, erigon and anvil.
fn classify(message: &str) -> Option<Broadcast> {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["already known", "already imported", "known transaction", "alreadyknown"]) {
        Some(Broadcast::Accepted)
    } else if says(&["nonce too low", "nonce is too low", "oldnonce", "nonce_too_low"]) {
        Some(Broadcast::NonceTooLow)
    } else if says(&[
        "underpriced",
        "fee too low",
        "less than block base fee",
        "feetoolow",
        "below block base fee",
    ]) {
        Some(Broadcast::Underpriced)
    } else if says(&["insufficient funds", "insufficientfunds", "upfront cost exceeds"]) {
        Some(Broadcast::NoGas)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_known_nodes_are_understood() {
        for (message, expected) in [
            ("already known", "Accepted"),
            ("transaction already imported", "Accepted"),
            ("nonce too low: next nonce 4, tx nonce 3", "NonceTooLow"),
            ("replacement transaction underpriced", "Underpriced"),
            ("max fee per gas less than block base fee: address 0x..", "Underpriced"),
            ("insufficient funds for gas * price + value", "NoGas"),
        ] {
            assert_eq!(format!("{:?}", classify(message).unwrap()), expected, "{message}");
        }
        assert!(classify("exceeds block gas limit").is_none());
    }
}
