//! A dataflow against the same query run once by DataFusion over the final data.

mod arranged;
mod churn;
mod explain;
mod floats;
mod in_subquery;
mod kept;
mod large_sums;
mod oracle;
mod passing;
mod published;
mod queries;
mod ties;
mod windows;
