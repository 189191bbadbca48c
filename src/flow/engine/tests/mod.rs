//! A dataflow against the same query run once by DataFusion over the final data.

mod churn;
mod kept;
mod published;
mod queries;
