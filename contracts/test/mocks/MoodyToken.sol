// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureToken} from "./Tokens.sol";

/// @notice An honest token that turns bad on request, in what it moves, in what it answers, in what it tells of balances
/// and in what it does with permits; and back again.
contract MoodyToken is SignatureToken {
    enum Moves {
        AsAsked,
        Nothing, // and says it did
        PretendsTo, // its balances say so as well
        LessAFee, // the receiver gets 1 % less
        AFeeOnTop, // the sender pays 1 % more
        OneMore, // the receiver gets one unit more
        Reverts,
        RevertsWithAMegabyte,
        BurnsAllGas
    }
    enum Answers {
        True,
        False,
        Nothing,
        Two,
        Megabyte // the first word of it is true
    }
    enum Tells {
        TheTruth,
        Zero,
        EverLess,
        Reverts,
        Megabyte,
        BurnsAllGas
    }
    enum Permits {
        AsSigned,
        Nothing,
        OneLess,
        Reverts,
        RevertsWithAMegabyte,
        AnswersAMegabyte,
        BurnsAllGas
    }

    error Stopped();

    uint256 private constant MEGABYTE = 1_000_000;
    address private constant COLLECTOR = address(0xFEE);

    Moves private _moves;
    Answers private _answers;
    Tells private _tells;
    Permits private _permits;
    mapping(address account => uint256) private _pretended;
    uint256 private _moved;
    uint8 private _decimals = 6;

    function behave(Moves moves, Answers answers) external {
        (_moves, _answers) = (moves, answers);
    }

    function tell(Tells tells) external {
        _tells = tells;
    }

    function permitAs(Permits permits) external {
        _permits = permits;
    }

    function tellDecimals(uint8 decimals_) external {
        _decimals = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        super.transfer(to, value);
        return _answer();
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        super.transferFrom(from, to, value);
        return _answer();
    }

    function balanceOf(address account) public view override returns (uint256) {
        uint256 truth = super.balanceOf(account) + _pretended[account];
        if (_tells == Tells.Zero) return 0;
        if (_tells == Tells.EverLess) return type(uint128).max - _moved;
        if (_tells == Tells.Reverts) revert Stopped();
        if (_tells == Tells.Megabyte) _return(truth, MEGABYTE);
        if (_tells == Tells.BurnsAllGas) _burnGas();
        return truth;
    }

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        public
        override
    {
        if (_permits == Permits.Nothing) return;
        if (_permits == Permits.Reverts) revert Stopped();
        if (_permits == Permits.RevertsWithAMegabyte) _revertWithAMegabyte();
        if (_permits == Permits.BurnsAllGas) _burnGas();
        super.permit(owner, spender, value, deadline, v, r, s);
        if (_permits == Permits.OneLess) _approve(owner, spender, value - 1);
        if (_permits == Permits.AnswersAMegabyte) _return(1, MEGABYTE);
    }

    function _update(address from, address to, uint256 value) internal override {
        bool minted = from == address(0);
        if (minted || _moves == Moves.AsAsked) return _move(from, to, value);
        if (_moves == Moves.Nothing) return;
        if (_moves == Moves.Reverts) revert Stopped();
        if (_moves == Moves.RevertsWithAMegabyte) _revertWithAMegabyte();
        if (_moves == Moves.BurnsAllGas) _burnGas();
        if (_moves == Moves.PretendsTo) _pretended[to] += value;
        if (_moves == Moves.LessAFee) {
            _move(from, COLLECTOR, value / 100);
            _move(from, to, value - value / 100);
        }
        if (_moves == Moves.AFeeOnTop) {
            _move(from, COLLECTOR, value / 100);
            _move(from, to, value);
        }
        if (_moves == Moves.OneMore) {
            _move(from, to, value);
            _move(address(0), to, 1);
        }
    }

    function _move(address from, address to, uint256 value) private {
        _moved += value;
        super._update(from, to, value);
    }

    function _answer() private view returns (bool) {
        if (_answers == Answers.Nothing) _return(0, 0);
        if (_answers == Answers.Two) _return(2, 32);
        if (_answers == Answers.Megabyte) _return(1, MEGABYTE);
        return _answers == Answers.True;
    }

    function _return(uint256 word, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(0, word)
            return(0, length)
        }
    }

    function _revertWithAMegabyte() private pure {
        assembly ("memory-safe") {
            revert(mload(0x40), MEGABYTE)
        }
    }

    function _burnGas() private pure {
        assembly ("memory-safe") {
            invalid()
        }
    }
}
