//! Answers SELECT.

pub mod pg_catalog;
