//! testkit

pub mod mock_api;
