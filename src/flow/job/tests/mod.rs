//! Jobs over a store that fails at chosen moments, several servers, and a clock that is set by hand.

mod burial;
mod given_up;
pub mod house;
mod ownership;
pub mod shaky_store;
