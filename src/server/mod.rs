//! Bytes and sockets. The Postgres protocol and HTTP; what a statement means is the session's.

pub mod http;
pub mod pgwire;
