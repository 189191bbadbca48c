//! Bytes and sockets. The Postgres protocol and HTTP; what a statement means is the session's.

pub mod http;
mod metrics;
pub mod pgwire;
pub mod serve;
