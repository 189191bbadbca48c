//! The integration tests: one binary, so that the house is linked once.
//!
//! `servers` starts real servers, `sql` runs the scripts beside it through a real socket, `e2e` tells whole stories, `tidy` holds the walls
//! of the house, `lab` runs servers over a store that fails. A test that needs a server starts its own, on free ports and in its own folder; none depends on another.

mod e2e;
mod lab;
mod servers;
mod sql;
mod tidy;
