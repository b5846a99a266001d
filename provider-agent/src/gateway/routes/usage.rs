//! `GET /v1/leases/{id}/usage`: what the operator's meter published last.

use axum::{Extension, Json};
use crd::LeaseUsage;
use gateway_api::{Decimal, ErrorCode, ResourceUsage, UsageReport, UsedResources};

use crate::gateway::error::{Refused, Result};
use crate::gateway::middleware::Admitted;

pub(in crate::gateway) async fn show(Extension(admitted): Extension<Admitted>) -> Result<Json<UsageReport>> {
    let usage = admitted
        .view
        .compute
        .as_ref()
        .and_then(|object| object.status.as_ref()?.usage.as_ref())
        .ok_or_else(|| Refused::new(ErrorCode::NotReady, "nothing is metered yet"))?;
    report(usage).map(Json).map_err(|error| Refused::internal("read the published usage", &error))
}

fn report(usage: &LeaseUsage) -> Result<UsageReport, crd::convert::Error> {
    let decimal = |field, text: &str| crd::convert::parse_decimal(field, text).map(Decimal);
    let used = &usage.used;
    Ok(UsageReport {
        as_of: usage.as_of()?.0,
        sequence: u64::try_from(usage.sequence)
            .map_err(|_| crd::convert::Error::Negative { field: "status.usage.sequence" })?,
        allocated: ResourceUsage::from(&usage.allocated()?),
        used: UsedResources {
            cpu_nanoseconds: decimal("status.usage.used.cpuNanoseconds", &used.cpu_nanoseconds)?,
            memory_byte_seconds: decimal("status.usage.used.memoryByteSeconds", &used.memory_byte_seconds)?,
            network_rx_bytes: decimal("status.usage.used.networkRxBytes", &used.network_rx_bytes)?,
            network_tx_bytes: decimal("status.usage.used.networkTxBytes", &used.network_tx_bytes)?,
        },
        meter_root: usage.meter_root()?,
    })
}
