// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {IRewardsDistributor} from "../../../src/interfaces/IRewardsDistributor.sol";
import {DecimalsToken} from "../../mocks/Tokens.sol";
import {log, vm} from "../../support/Vm.sol";
import {RewardsHandler} from "./RewardsHandler.sol";

/// @notice After every step of random walks: solvency, caps, and that wash trading loses; through the real market, with
/// right and with unchallenged wrong roots.
contract RewardsInvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant MIN_REACHED = 5;
    uint256 private constant WASHERS = 4;

    RewardsHandler private handler;
    IRewardsDistributor private rewards;
    ILeaseMarket private market;
    DecimalsToken private token;

    string[] private expected = [
        "wash",
        "fund",
        "enrol",
        "leave",
        "checkpoint",
        "prove",
        "refresh",
        "report",
        "post",
        "post wrong",
        "refute",
        "finalise",
        "returnBond",
        "claim",
        "withdraw",
        "sweep"
    ];

    function setUp() public {
        handler = new RewardsHandler();
        (address rewards_, address market_, address token_) = handler.contracts();
        (rewards, market, token) = (IRewardsDistributor(rewards_), ILeaseMarket(market_), DecimalsToken(token_));
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        bytes4[18] memory list = [
            RewardsHandler.wash.selector,
            RewardsHandler.wash.selector,
            RewardsHandler.fundOne.selector,
            RewardsHandler.enrolOne.selector,
            RewardsHandler.leaveOne.selector,
            RewardsHandler.checkpointOne.selector,
            RewardsHandler.proveOne.selector,
            RewardsHandler.refreshOne.selector,
            RewardsHandler.reportOne.selector,
            RewardsHandler.postRight.selector,
            RewardsHandler.postGreedy.selector,
            RewardsHandler.refuteOne.selector,
            RewardsHandler.finaliseOne.selector,
            RewardsHandler.claimOne.selector,
            RewardsHandler.withdrawOne.selector,
            RewardsHandler.sweepOne.selector,
            RewardsHandler.changeFee.selector,
            RewardsHandler.passTime.selector
        ];
        targets[0].selectors = new bytes4[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            targets[0].selectors[i] = list[i];
        }
    }

    /// @dev One function, because each would be a campaign of its own. Few long walks: each must reach every action.
    /// forge-config: default.invariant.runs = 8
    /// forge-config: default.invariant.depth = 1280
    function invariant_rewards_are_solvent_capped_and_washing_loses() public view {
        vm.assertEq(token.balanceOf(address(rewards)), rewards.liabilities(address(token)), "it holds what it owes");
        for (uint256 i = 0; i < WASHERS; ++i) {
            washingLoses(handler.washer(i));
        }
        uint256[4] memory live = handler.liveProgrammes();
        for (uint256 i = 0; i < live.length; ++i) {
            programmeIsSound(live[i]);
        }
    }

    function washingLoses(address provider) private view {
        uint256 rewarded = rewards.matchedClaimed(provider, address(token));
        uint256 fees = market.feesPaid(provider, address(token));
        vm.assertLe(rewarded * 10, fees * 9, "at most 0.9 of each fee comes back");
        // Everything that the provider put into its own leases came back, but for the fees.
        uint256 back = market.available(provider, address(token));
        vm.assertEq(back + fees, handler.invested(provider), "nothing else is lost or won in the market");
        vm.assertTrue(back + rewarded < handler.invested(provider) || fees == 0, "whoever paid a fee has lost");
    }

    function programmeIsSound(uint256 id) private view {
        IRewardsDistributor.ProgrammeView memory books = rewards.programmeOf(id);
        vm.assertLe(books.claimed, books.committed, "paid within what was committed");
        vm.assertLe(uint256(books.committed) + books.returned, books.funded, "committed within the funds");
        IRewardsDistributor.MemberView[] memory members = rewards.enrolled(id, 0, 1024);
        uint256 claimed;
        for (uint256 i = 0; i < members.length; ++i) {
            vm.assertEq(members[i].index, i, "dense");
            vm.assertLe(members[i].claimed, rewards.capOf(id, members[i].account), "within the cap");
            claimed += members[i].claimed;
        }
        vm.assertEq(claimed, books.claimed, "the sum of all claims");
    }

    /// @dev The books of all programmes, roots and credits add up to what is owed; and every action was reached.
    function afterInvariant() public {
        handler.finaliseAll();
        uint256 owed;
        for (uint256 id = 1; id <= rewards.programmeCount(); ++id) {
            programmeIsSound(id);
            IRewardsDistributor.ProgrammeView memory books = rewards.programmeOf(id);
            owed += books.funded - books.claimed - books.returned;
            for (uint32 number = 1; number <= books.roots; ++number) {
                uint8 state = rewards.rootOf(id, number).state;
                if (state == 1 || state == 4) owed += rewards.termsOf(id).posterBond;
            }
        }
        address[3] memory people = [address(0xD001), address(0xD002), address(0xD003)];
        for (uint256 i = 0; i < people.length; ++i) {
            owed += rewards.credit(people[i], address(token));
        }
        vm.assertEq(owed, rewards.liabilities(address(token)), "funds, bonds and credits are all that is owed");
        for (uint256 i = 0; i < expected.length; ++i) {
            uint256 count = handler.reached(expected[i]);
            log(expected[i], count);
            vm.assertLe(MIN_REACHED, count, expected[i]);
        }
    }
}
