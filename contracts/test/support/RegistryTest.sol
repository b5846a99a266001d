// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {TestUSD} from "../../src/test-token/TestUSD.sol";
import {vm} from "./Vm.sol";

/// @notice A registry whose market is the test itself, with one provider.
abstract contract RegistryTest {
    uint40 internal constant START = 1_790_000_000;
    uint40 internal constant EXPIRY = START + 30 days;
    uint40 internal constant UNBOND_DELAY = 14 days;
    uint128 internal constant MIN_BOND = 100e6;
    uint128 internal constant BOND = 1_000e6;

    address internal constant PROVIDER = address(0xB001);
    address internal constant OPERATOR = address(0xB002);
    address internal constant STRANGER = address(0xB003);
    address internal constant VICTIM = address(0xB004);
    address internal constant TREASURY = address(0xB005);

    TestUSD internal token;
    IProviderRegistry internal registry;

    function setUp() public virtual {
        vm.warp(START);
        token = new TestUSD();
        registry = deployRegistry(address(token));
        registry.setMarket(address(this));
        fundFor(PROVIDER, BOND);
        vm.prank(PROVIDER);
        registry.register(OPERATOR, EXPIRY, BOND, "https://gateway.example", bytes32("attributes"));
    }

    function deployRegistry(address bondToken) internal returns (IProviderRegistry) {
        return IProviderRegistry(
            vm.deployCode(
                "ProviderRegistry.sol:ProviderRegistry", abi.encode(bondToken, MIN_BOND, UNBOND_DELAY, address(this))
            )
        );
    }

    function fundFor(address owner, uint256 amount) internal {
        token.mint(owner, amount);
        vm.prank(owner);
        token.approve(address(registry), amount);
    }

    function provider() internal view returns (IProviderRegistry.ProviderView memory) {
        return registry.providerOf(PROVIDER);
    }

    function assertEq(IProviderRegistry.ProviderView memory left, IProviderRegistry.ProviderView memory right)
        internal
        pure
    {
        vm.assertEq(abi.encode(left), abi.encode(right), "provider");
    }
}
