//! The Postgres protocol, version 3.0, as PostgreSQL 15 speaks it.
//!
//! The life of a statement: `listener` accepts the socket, `startup` greets the client and makes its session, `connection` reads
//! message after message. `simple` and `extended` turn them into calls of the session, each under `interrupt`, so that a
//! cancel request, a client that left, or a shutdown ends it at its next await. `rows` pulls record batches and has `encode`
//! write them into the `socket`'s buffer, which waits for the client whenever it is full: a result is never collected.
//!
//! Messages of the client are read by `frontend`; those to the client are `pgwire`'s.

mod cancel;
mod connection;
mod description;
mod encode;
mod extended;
mod failure;
mod frontend;
mod interrupt;
mod listener;
mod parameters;
mod portal;
mod rows;
mod simple;
mod socket;
mod startup;

#[cfg(test)]
mod tests;

pub use listener::serve;
