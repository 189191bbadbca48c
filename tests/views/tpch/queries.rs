//! The 22 queries.

use super::super::Query;

pub const QUERIES: &[Query] = &[
    Query { name: "q1", sql: include_str!("q1.sql") },
    Query { name: "q2", sql: include_str!("q2.sql") },
    Query { name: "q3", sql: include_str!("q3.sql") },
    Query { name: "q4", sql: include_str!("q4.sql") },
    Query { name: "q5", sql: include_str!("q5.sql") },
    Query { name: "q6", sql: include_str!("q6.sql") },
    Query { name: "q7", sql: include_str!("q7.sql") },
    Query { name: "q8", sql: include_str!("q8.sql") },
    Query { name: "q9", sql: include_str!("q9.sql") },
    Query { name: "q10", sql: include_str!("q10.sql") },
    Query { name: "q11", sql: include_str!("q11.sql") },
    Query { name: "q12", sql: include_str!("q12.sql") },
    Query { name: "q13", sql: include_str!("q13.sql") },
    Query { name: "q14", sql: include_str!("q14.sql") },
    Query { name: "q15", sql: include_str!("q15.sql") },
    Query { name: "q16", sql: include_str!("q16.sql") },
    Query { name: "q17", sql: include_str!("q17.sql") },
    Query { name: "q18", sql: include_str!("q18.sql") },
    Query { name: "q19", sql: include_str!("q19.sql") },
    Query { name: "q20", sql: include_str!("q20.sql") },
    Query { name: "q21", sql: include_str!("q21.sql") },
    Query { name: "q22", sql: include_str!("q22.sql") },
];
