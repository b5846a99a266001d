//! Bindings to the contracts, generated from the one source: the Solidity interfaces.
#![allow(missing_docs, clippy::too_many_arguments, reason = "generated from the Solidity interfaces")]

pub use ILeaseMarket::{ILeaseMarketErrors, ILeaseMarketEvents};
pub use IProviderRegistry::{IProviderRegistryErrors, IProviderRegistryEvents};
pub use IRewardsDistributor::{IRewardsDistributorErrors, IRewardsDistributorEvents};

alloy::sol!(
    #![sol(all_derives = true)]
    "../../contracts/src/interfaces/ILeaseMarket.sol"
);

alloy::sol!(
    #![sol(all_derives = true)]
    "../../contracts/src/interfaces/IProviderRegistry.sol"
);

alloy::sol!(
    #![sol(all_derives = true)]
    "../../contracts/src/interfaces/IRewardsDistributor.sol"
);

alloy::sol! {
    #![sol(all_derives = true)]

    /// The encoding of the public requirements inside an order.
    struct Attribute { string key; string value; }

    /// What one replica of a service needs.
    struct ServiceRequirements {
        uint32 replicas;
        uint64 cpuMilli;
        uint64 memoryBytes;
        uint64 gpuMilli;
        string gpuModel;
        uint64[] volumeBytes;
    }

    /// Version 1 of the requirements.
    struct Requirements {
        uint8 version;
        uint8 tier;
        uint32 duration;
        uint64 egressBytesPerSecond;
        uint32 leasedIps;
        ServiceRequirements[] services;
        Attribute[] attributes;
    }

    /// The parts of a token that we use.
    interface IToken {
        function balanceOf(address owner) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
        function mint(address to, uint256 amount) external;
        function decimals() external view returns (uint8);
        function symbol() external view returns (string);
    }

    /// The parts of the access manager that deployment uses.
    interface IAccessManager {
        function setTargetFunctionRole(address target, bytes4[] calldata selectors, uint64 roleId) external;
    }

    /// Errors of the libraries that the contracts build on.
    interface ILibraryErrors {
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
        error ERC20InvalidReceiver(address receiver);
        error SafeERC20FailedOperation(address token);
        error ReentrancyGuardReentrantCall();
        error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value);
        error AccessManagedUnauthorized(address caller);
        error AccessManagerUnauthorizedAccount(address msgsender, uint64 roleId);
    }
}
