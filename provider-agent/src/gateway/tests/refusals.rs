//! Refusals of proposed statements, at the door.

use gateway_api::{Decimal, RefusalReason, StatementRefusal};

use super::*;
use crate::agent::RefusedProposal;

fn body() -> Vec<u8> {
    let refusal = StatementRefusal {
        reason: RefusalReason::AmountAboveObserved,
        proposed_cum: Decimal(u128::MAX),
        as_of: u64::MAX,
        usage_hash: B256::repeat_byte(8),
        largest_accepted_cum: Decimal(4),
    };
    serde_json::to_vec(&refusal).unwrap()
}

fn refuse(key: HotKey, nonce: u8, body: Vec<u8>) -> Call {
    let path = routes::statement_refusal(id());
    Call { key, body, nonce: B256::repeat_byte(nonce), ..call(Method::PUT, &path) }
}

#[tokio::test]
async fn a_refusal_of_the_tenant_or_its_session_key_reaches_the_core_as_it_was_sent() {
    let (router, mut requests) = gateway_with(None, Ok(Answer::RefusalHeard));
    let expected = RefusedProposal {
        reason: RefusalReason::AmountAboveObserved,
        proposed: Amount(u128::MAX),
        as_of: Timestamp(u64::MAX),
        usage_hash: B256::repeat_byte(8),
        largest_accepted: Amount(4),
    };
    for (key, nonce) in [(tenant(), 1), (session(), 2)] {
        let answer = send(&router, refuse(key, nonce, body()).request()).await;
        assert_eq!(answer, (StatusCode::NO_CONTENT, vec![]));
        let AgentRequest::RefuseStatement { lease, refused } = requests.recv().await.unwrap() else {
            panic!("another request")
        };
        assert_eq!((lease, refused), (id(), expected));
    }
}

#[tokio::test]
async fn a_refusal_by_a_stranger_in_another_form_or_too_large_is_none() {
    let (router, mut requests) = gateway_with(None, Ok(Answer::RefusalHeard));
    assert_eq!(refusal(&router, &refuse(key(9), 1, body())).await, ErrorCode::Foreign);
    assert_eq!(refusal(&router, &refuse(tenant(), 2, b"{}".to_vec())).await, ErrorCode::MalformedBody);
    let large = vec![b' '; MAX_STATEMENT_BODY + 1];
    assert_eq!(refusal(&router, &refuse(tenant(), 3, large)).await, ErrorCode::BodyTooLarge);
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_flood_of_refusals_is_cut_off_and_keeps_nobody_else_out() {
    let (router, mut requests) = gateway_with(None, Ok(Answer::RefusalHeard));
    for nonce in 1..=3 {
        let answer = send(&router, refuse(tenant(), nonce, body()).request()).await;
        assert_eq!(answer.0, StatusCode::NO_CONTENT);
    }
    for nonce in 4..=200 {
        let flood = refuse(tenant(), nonce, body());
        assert_eq!(refusal(&router, &flood).await, ErrorCode::TooManyRequests);
    }
    // The settings of these tests give each signer three requests at once, and the other one has its own.
    let other = refuse(session(), 201, body());
    assert_eq!(send(&router, other.request()).await.0, StatusCode::NO_CONTENT);
    let mut reached = 0;
    while requests.try_recv().is_ok() {
        reached += 1;
    }
    assert_eq!(reached, 4);
}
