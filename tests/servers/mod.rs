//! Real servers for tests, without Docker.
//!
//! What can be had as a package is installed once per machine into the user's cache (`install`); each test then starts its own
//! `Process` on a `free_port` in its own folder, and dropping it kills it. Waiting is always polling with a deadline (`wait_until`).

mod free_port;
mod http;
mod install;
mod process;
mod wait;

mod kinesis_local;
mod ministack;
mod postgres;

pub mod delta_readers;
mod gate;
mod generate;
mod lakewire;
mod rows;
mod setting;

pub use delta_readers::{Place, read_delta};
pub use gate::Gate;
pub use generate::{Part, Summary, generate, put_into_kinesis, summary};
pub use http::get;
pub use kinesis_local::KinesisLocal;
pub use lakewire::{Server, Setup, slot};
pub use ministack::Ministack;
pub use postgres::Postgres;
pub use process::{Process, is_abort, lakewire_command};
pub use rows::{Refusal, Rows};
pub use setting::setting;
pub use wait::{DEADLINE, wait_until};
