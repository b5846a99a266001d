//! What every store must do, a file and PostgreSQL alike.

mod contract;
mod crash;
mod feed;
mod tls;
