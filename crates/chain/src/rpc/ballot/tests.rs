use proptest::prelude::*;

use super::*;

fn failed() -> Said<u8> {
    Said::Failed(RpcError::NoBlock)
}

fn reverted(word: &str) -> Said<u8> {
    Said::Reverted(Revert::decode(word.as_bytes()), RpcError::Inconsistent("a revert"))
}

fn ballot(needed: usize, said: Vec<Said<u8>>) -> Ballot<u8> {
    let mut ballot = Ballot::new("eth_call", needed);
    for (node, said) in said.into_iter().enumerate() {
        ballot.hear(node, said);
    }
    ballot
}

#[test]
fn what_enough_nodes_say_is_the_answer_and_the_others_are_named() {
    let ballot = ballot(2, vec![Said::Value(9), Said::Value(7), Said::Value(7)]);
    assert!(ballot.is_decided());
    let decided = ballot.close();
    assert_eq!((decided.answer.unwrap(), decided.contradicting), (7, vec![0]));
}

#[test]
fn a_node_that_lags_or_fails_does_not_contradict() {
    let decided = ballot(2, vec![Said::Nothing(0), failed(), Said::Value(7), Said::Value(7)]).close();
    assert_eq!((decided.answer.unwrap(), decided.contradicting), (7, vec![]));
}

#[test]
fn nothing_wins_only_at_the_end() {
    let mut open = ballot(1, vec![Said::Nothing(0)]);
    assert!(!open.is_decided());
    open.hear(1, Said::Value(7));
    assert!(open.is_decided());
    assert_eq!(open.close().answer.unwrap(), 7);
    assert_eq!(
        ballot(2, vec![Said::Nothing(0), Said::Value(7), Said::Nothing(0)]).close().answer.unwrap(),
        0
    );
}

#[test]
fn a_refusal_of_the_contract_is_an_answer_and_only_the_same_one_agrees() {
    let decided = ballot(2, vec![reverted("same"), reverted("same"), Said::Value(7)]).close();
    assert!(matches!(decided.answer, Err(RpcError::Inconsistent("a revert"))), "{:?}", decided.answer);
    assert_eq!(decided.contradicting, [2]);
    let decided = ballot(2, vec![reverted("one"), reverted("another")]).close();
    assert!(matches!(decided.answer, Err(RpcError::Disagreement { .. })), "{:?}", decided.answer);
}

#[test]
fn contradiction_and_want_of_answers_are_told_apart() {
    let disputed = ballot(2, vec![Said::Value(1), Said::Value(2), failed()]).close().answer.unwrap_err();
    assert!(matches!(disputed, RpcError::Disagreement { needed: 2, agreed: 1, .. }), "{disputed}");
    let lonely = ballot(2, vec![Said::Value(1), failed(), failed()]).close().answer.unwrap_err();
    assert!(matches!(lonely, RpcError::TooFew { needed: 2, answered: 1, .. }), "{lonely}");
    let alone = ballot(1, vec![failed()]).close().answer.unwrap_err();
    assert!(matches!(alone, RpcError::NoBlock), "a single node's failure is told as it is: {alone}");
}

fn any_said() -> impl Strategy<Value = (u8, u8)> {
    (0..4u8, 0..3u8)
}

proptest! {
    /// Fewer nodes than needed never make an answer, whoever is heard first.
    #[test]
    fn fewer_than_needed_never_decide(needed in 1..5usize, votes in proptest::collection::vec(any_said(), 0..7)) {
        let said = votes.iter().map(|(kind, value)| match kind {
            0 | 1 => Said::Value(*value),
            2 => Said::Nothing(u8::MAX),
            _ => failed(),
        });
        let decided = ballot(needed, said.collect()).close();
        let count = |wanted: u8| match wanted {
            u8::MAX => votes.iter().filter(|(kind, _)| *kind == 2).count(),
            wanted => votes.iter().filter(|(kind, value)| *kind < 2 && *value == wanted).count(),
        };
        let enough = (0..3).chain([u8::MAX]).any(|value| count(value) >= needed);
        match decided.answer {
            Ok(value) => prop_assert!(count(value) >= needed),
            Err(error) => prop_assert!(!enough && error.is_retriable(), "{error}"),
        }
    }
}
