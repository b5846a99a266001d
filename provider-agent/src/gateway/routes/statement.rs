//! `GET` and `PUT /v1/leases/{id}/statement`, `PUT /v1/leases/{id}/statement/refusal`: what to sign, what was signed, and what was not.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use gateway_api::{
    Decimal, ErrorCode, ResourceUsage, SignedStatementBody, StatementProposal, StatementRefusal,
};
use market::{Amount, Timestamp};

use crate::agent::{Answer, Proposal, Refusal, RefusedProposal};
use crate::gateway::Gateway;
use crate::gateway::error::{Refused, Result};
use crate::gateway::middleware::Admitted;
use crate::inbox::Request;

pub(in crate::gateway) async fn propose(
    State(gateway): State<Gateway>,
    Extension(admitted): Extension<Admitted>,
) -> Result<Json<StatementProposal>> {
    match gateway.shared().agent.request(Request::ProposeStatement { lease: admitted.view.id }).await?? {
        Answer::Proposal(proposal) => Ok(Json(document(&proposal))),
        Answer::ManifestStored | Answer::StatementStored | Answer::RefusalHeard => {
            Err(Refusal::NoUsageYet.into())
        }
    }
}

/// Answers only after the signed statement is in the cluster: from then on no crash can lose it.
pub(in crate::gateway) async fn store(
    State(gateway): State<Gateway>,
    Extension(admitted): Extension<Admitted>,
) -> Result<StatusCode> {
    let body: SignedStatementBody = serde_json::from_slice(&admitted.body)
        .map_err(|error| Refused::new(ErrorCode::MalformedBody, error.to_string()))?;
    let (statement, signature) = body.parts(admitted.view.id);
    let signer = gateway
        .shared()
        .settings
        .eip712
        .statement_signer(&statement, &signature)
        .ok_or(Refusal::StatementForeignSigner)?;
    gateway.shared().agent.request(Request::StoreStatement { statement, signature, signer }).await??;
    Ok(StatusCode::OK)
}

/// Heard, and no more: the provider does not give in to a refusal.
pub(in crate::gateway) async fn refuse(
    State(gateway): State<Gateway>,
    Extension(admitted): Extension<Admitted>,
) -> Result<StatusCode> {
    let body: StatementRefusal = serde_json::from_slice(&admitted.body)
        .map_err(|error| Refused::new(ErrorCode::MalformedBody, error.to_string()))?;
    let request = Request::RefuseStatement { lease: admitted.view.id, refused: refused(&body) };
    gateway.shared().agent.request(request).await??;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(body: &StatementRefusal) -> RefusedProposal {
    let StatementRefusal { reason, proposed_cum, as_of, usage_hash, largest_accepted_cum } = *body;
    RefusedProposal {
        reason,
        proposed: Amount(proposed_cum.0),
        as_of: Timestamp(as_of),
        usage_hash,
        largest_accepted: Amount(largest_accepted_cum.0),
    }
}

fn document(proposal: &Proposal) -> StatementProposal {
    let Proposal { statement, usage, meter_root, settled } = proposal;
    StatementProposal {
        amount_cum: Decimal(statement.amount_cum.0),
        as_of: statement.as_of.0,
        usage: ResourceUsage::from(usage),
        meter_root: *meter_root,
        usage_hash: statement.usage_hash,
        last: statement.last,
        settled_cum: Decimal(settled.0),
    }
}
