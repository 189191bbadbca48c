//! A dataflow against the same query run once by DataFusion over the final data.

mod arranged;
mod churn;
mod kept;
mod oracle;
mod published;
mod queries;
mod windows;
