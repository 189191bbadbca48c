//! How queries of every kind are kept, as EXPLAIN tells it: `explain.txt` has blocks of
//!
//! ```text
//! query, as many lines as it takes; after `-- rows only come` the tables are streams, after `-- windows close` with a watermark for t, and
//!     each row is given when its window closes
//! ----
//! the lines of EXPLAIN
//! ```
//!
//! with an empty line between blocks. Where it differs, the test says where it put the renewed one: read it, then copy it over.

use super::churn::schemas;
use super::kept::Tables;
use crate::catalog::Emit;
use crate::flow::engine::{Arrival, Dataflow, Watermark};

const GOLDEN: &str = include_str!("explain.txt");
const STREAMS: &str = "-- rows only come\n";
const WINDOWS: &str = "-- windows close\n";

#[tokio::test]
async fn what_is_kept_is_told() {
    let mut renewed = Vec::new();
    for block in GOLDEN.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let query = block.split("\n----").next().unwrap_or(block).trim_matches('\n');
        renewed.push(format!("{query}\n----\n{}", explain(query).await.join("\n")));
    }
    let renewed = format!("{}\n", renewed.join("\n\n"));
    if renewed != GOLDEN {
        let path = std::env::temp_dir().join("renewed-engine-explain.txt");
        std::fs::write(&path, &renewed).unwrap();
        let differs = renewed.lines().zip(GOLDEN.lines()).position(|(new, old)| new != old).unwrap_or(0);
        panic!("explain.txt differs from line {}; renewed: {}", differs + 1, path.display());
    }
}

async fn explain(query: &str) -> Vec<String> {
    let mut relations = Tables::of(&schemas()).relations();
    let emit = if query.starts_with(WINDOWS) { Emit::OnWindowClose } else { Emit::OnChange };
    if query.starts_with(STREAMS) || emit == Emit::OnWindowClose {
        relations.iter_mut().for_each(|relation| relation.arrival = Arrival::AppendOnly);
    }
    if emit == Emit::OnWindowClose {
        relations.iter_mut().for_each(|relation| {
            let time = relation.schema.index_of("t").ok();
            relation.watermark = time.map(|column| Watermark { column, lateness_micros: 0 });
        });
    }
    let parsed = crate::sql::parse_query(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let dataflow = Dataflow::plan_to_emit(&parsed, &relations, emit).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    dataflow.explain()
}
