//! One file per route. By the time a handler runs, the request is admitted.

pub(super) mod forward;
pub(super) mod logs;
pub(super) mod manifest;
pub(super) mod provider;
pub(super) mod series;
pub(super) mod statement;
pub(super) mod status;
pub(super) mod usage;
