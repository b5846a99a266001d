//! Why a contract refused a call, by name.

use std::fmt;

use alloy::primitives::{Bytes, FixedBytes};
use alloy::sol_types::{ContractError, SolInterface};

use crate::abi::{
    ILeaseMarketErrors, ILibraryErrors::ILibraryErrorsErrors, IProviderRegistryErrors,
    IRewardsDistributorErrors,
};

/// A contract's reason, decoded as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    name: String,
    detail: String,
}

impl Revert {
    /// Decodes the data of a revert. Any bytes are accepted: they come from a node.
    pub fn decode(data: &[u8]) -> Self {
        let Some((selector, _)) = data.split_first_chunk::<4>() else {
            return Self { name: "Unexplained".to_owned(), detail: "reverted without a reason".to_owned() };
        };
        known(data, *selector).unwrap_or_else(|| Self {
            name: "Unknown".to_owned(),
            detail: format!("unknown error {} in {}", FixedBytes(*selector), Bytes::copy_from_slice(data)),
        })
    }

    /// The reason that a batch gives for an item it passed over.
    pub fn from_selector(selector: [u8; 4]) -> Self {
        let name = ILeaseMarketErrors::name_by_selector(selector)
            .or_else(|| IProviderRegistryErrors::name_by_selector(selector))
            .map_or_else(|| format!("Unknown({})", FixedBytes(selector)), str::to_owned);
        Self { detail: name.clone(), name }
    }

    /// The error's name in the contract, such as `LeaseMarket_BidExpired`, or `Error`, `Panic`, `Unknown`, `Unexplained`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

fn known(data: &[u8], selector: [u8; 4]) -> Option<Revert> {
    named::<ILeaseMarketErrors>(data, ILeaseMarketErrors::name_by_selector(selector))
        .or_else(|| {
            named::<IProviderRegistryErrors>(data, IProviderRegistryErrors::name_by_selector(selector))
        })
        .or_else(|| {
            let name = IRewardsDistributorErrors::name_by_selector(selector);
            named::<IRewardsDistributorErrors>(data, name)
        })
        .or_else(|| named::<ILibraryErrorsErrors>(data, ILibraryErrorsErrors::name_by_selector(selector)))
        .or_else(|| match ContractError::<ILeaseMarketErrors>::abi_decode(data).ok()? {
            ContractError::Revert(revert) => {
                Some(Revert { name: "Error".to_owned(), detail: revert.reason().to_owned() })
            }
            ContractError::Panic(panic) => {
                Some(Revert { name: "Panic".to_owned(), detail: panic.to_string() })
            }
            ContractError::CustomError(_) => None,
        })
}

fn named<E: SolInterface + fmt::Debug>(data: &[u8], name: Option<&'static str>) -> Option<Revert> {
    let name = name?;
    // The generated enum prints as `Variant(Struct { .. })`; the struct alone reads better.
    let printed = format!("{:?}", E::abi_decode(data).ok()?);
    let detail = printed.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(&printed);
    Some(Revert { name: name.to_owned(), detail: detail.to_owned() })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, aliases::U40, hex};
    use alloy::sol_types::SolError;
    use proptest::prelude::*;

    use super::*;
    use crate::abi::{ILeaseMarket, ILibraryErrors};

    #[test]
    fn a_market_error_is_named_with_its_arguments() {
        let error =
            ILeaseMarket::LeaseMarket_BidExpired { leaseId: B256::repeat_byte(1), validUntil: U40::from(9) };
        let revert = Revert::decode(&error.abi_encode());
        assert_eq!(revert.name(), "LeaseMarket_BidExpired");
        let id = "01".repeat(32);
        assert_eq!(
            revert.to_string(),
            format!("LeaseMarket_BidExpired {{ leaseId: 0x{id}, validUntil: 9 }}")
        );
        assert_eq!(
            Revert::from_selector(ILeaseMarket::LeaseMarket_BidExpired::SELECTOR).name(),
            "LeaseMarket_BidExpired"
        );
    }

    #[test]
    fn errors_of_libraries_and_of_the_language_are_named() {
        let error = ILibraryErrors::SafeERC20FailedOperation { token: alloy::primitives::Address::ZERO };
        assert_eq!(Revert::decode(&error.abi_encode()).name(), "SafeERC20FailedOperation");
        let text = hex!(
            "08c379a0 0000000000000000000000000000000000000000000000000000000000000020"
            "0000000000000000000000000000000000000000000000000000000000000002"
            "6e6f000000000000000000000000000000000000000000000000000000000000"
        );
        let revert = Revert::decode(&text);
        assert_eq!((revert.name(), revert.to_string().as_str()), ("Error", "no"));
        let panic = hex!("4e487b71 0000000000000000000000000000000000000000000000000000000000000011");
        assert_eq!(Revert::decode(&panic).name(), "Panic");
        assert_eq!(Revert::decode(&[]).name(), "Unexplained");
        assert_eq!(Revert::decode(&[1, 2, 3, 4, 5]).name(), "Unknown");
        assert_eq!(Revert::from_selector([1, 2, 3, 4]).name(), "Unknown(0x01020304)");
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!Revert::decode(&bytes).name().is_empty());
        }
    }
}
