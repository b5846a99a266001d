// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {bound, vm} from "../../support/Vm.sol";
import {Action} from "../Action.sol";
import {holds, same} from "../Broken.sol";
import {Stage} from "../Stage.sol";
import {WalkToken} from "../WalkToken.sol";

/// @notice Money into accounts, in every way, and out of them.
abstract contract AccountActions is Stage {
    uint256 private _nonce;

    function depositSome(uint256 seed) public {
        seed = mix(seed);
        address token_ = traded[seed % traded.length];
        market.setIntakePaused(false);
        moveDeposit(token_, tenants[(seed >> 8) % tenants.length], amountOf(seed, token_));
        reach(Action.Deposit);
    }

    /// @dev The tenant pays for itself with a permit, which somebody may have spent already.
    function depositWithPermit(uint256 seed) public {
        seed = mix(seed);
        WalkToken token_ = permitToken(seed);
        address payer = tenants[(seed >> 8) % tenants.length];
        uint256 amount = amountOf(seed, address(token_));
        (uint8 v, bytes32 r, bytes32 s) = signPermit(token_, payer, amount);
        bool spent = (seed >> 16) % 2 == 0;
        if (spent) token_.permit(payer, address(market), amount, block.timestamp, v, r, s);
        token_.mint(payer, amount);
        market.setIntakePaused(false);
        vm.prank(payer);
        market.depositWithPermit(address(token_), payer, amount, block.timestamp, v, r, s);
        bookDeposit(address(token_), payer, amount);
        reach(spent ? Action.DepositWithSpentPermit : Action.DepositWithPermit);
    }

    /// @dev Anybody hands the authorization in; the account is the signer's.
    function depositWithAuthorization(uint256 seed) public {
        seed = mix(seed);
        WalkToken token_ = permitToken(seed);
        address from = tenants[(seed >> 8) % tenants.length];
        uint256 amount = amountOf(seed, address(token_));
        bytes32 nonce = bytes32(++_nonce);
        uint256 until = block.timestamp + 1;
        bytes32 digest = token_.receiveDigest(from, address(market), amount, until, nonce);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(tenantKeys[from], digest);
        token_.mint(from, amount);
        market.setIntakePaused(false);
        vm.prank(people[(seed >> 16) % people.length]);
        market.depositWithAuthorization(address(token_), from, amount, 0, until, nonce, v, r, s);
        bookDeposit(address(token_), from, amount);
        reach(Action.DepositWithAuthorization);
    }

    function withdrawSome(uint256 seed) public {
        seed = mix(seed);
        (address owner, address token_) = rich(seed);
        uint256 held = accountBook[owner][token_];
        uint256 amount = (seed >> 8) % 4 == 0 ? held : bound(seed >> 16, 1, 1 + (held - 1) / 4);
        uint256 before = WalkToken(token_).balanceOf(owner);
        market.setIntakePaused((seed >> 12) % 2 == 0);
        vm.prank(owner);
        market.withdraw(token_, owner, amount);
        same(WalkToken(token_).balanceOf(owner), before + amount, "1: who withdraws gets it");
        accountBook[owner][token_] -= amount;
        flowedOut[token_] += amount;
        reach(Action.Withdraw);
    }

    /// @dev Tokens sent to the market outside of any deposit belong to nobody until they are recovered.
    function donate(uint256 seed) public {
        seed = mix(seed);
        address token_ = traded[seed % traded.length];
        uint256 amount = amountOf(seed, token_);
        WalkToken(token_).mint(address(market), amount);
        donated[token_] += amount;
        reach(Action.Donate);
    }

    function recoverSurplus(uint256 seed) public {
        seed = mix(seed);
        address token_ = traded[seed % traded.length];
        if (donated[token_] == 0) {
            WalkToken(token_).mint(address(market), 1);
            donated[token_] = 1;
        }
        uint256 before = WalkToken(token_).balanceOf(STRANGER);
        market.recoverSurplus(token_, STRANGER);
        same(WalkToken(token_).balanceOf(STRANGER), before + donated[token_], "1: the surplus is what was sent");
        donated[token_] = 0;
        reach(Action.RecoverSurplus);
    }

    /// @dev An account with money, searched from a random place; a tenant's that gets some where there is none.
    function rich(uint256 seed) private returns (address owner, address token_) {
        token_ = traded[seed % traded.length];
        for (uint256 i = 0; i < people.length; ++i) {
            owner = people[(i + (seed >> 32) % people.length) % people.length];
            if (accountBook[owner][token_] != 0) return (owner, token_);
        }
        market.setIntakePaused(false);
        moveDeposit(token_, owner, amountOf(seed, token_));
    }

    function permitToken(uint256 seed) private view returns (WalkToken) {
        return WalkToken(traded[1 + seed % (traded.length - 1)]);
    }

    function signPermit(WalkToken token_, address payer, uint256 amount)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 permitType =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 hash =
            keccak256(abi.encode(permitType, payer, address(market), amount, token_.nonces(payer), block.timestamp));
        return vm.sign(tenantKeys[payer], keccak256(abi.encodePacked("\x19\x01", token_.DOMAIN_SEPARATOR(), hash)));
    }

    function amountOf(uint256 seed, address token_) private view returns (uint256) {
        return bound(seed >> 64, 1, 500e6) * unitOf(token_);
    }
}
