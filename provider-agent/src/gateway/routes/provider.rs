//! `GET /v1/provider`: who we are. A hint only; the chain decides.

use axum::Json;
use axum::extract::State;
use gateway_api::ProviderInfo;
use market::Tier;

use crate::gateway::Gateway;

pub(in crate::gateway) async fn show(State(gateway): State<Gateway>) -> Json<ProviderInfo> {
    let settings = &gateway.shared().settings;
    Json(ProviderInfo {
        provider: settings.provider,
        chain_id: settings.chain_id,
        market: settings.market,
        tiers: settings.tiers.iter().map(|tier| document(*tier)).collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: settings.now().0,
    })
}

fn document(tier: Tier) -> ::manifest::TierDocument {
    match tier {
        Tier::Strict => ::manifest::TierDocument::Strict,
        Tier::Userns => ::manifest::TierDocument::Userns,
        Tier::Sandboxed => ::manifest::TierDocument::Sandboxed,
    }
}
