//! A view is its query.

use super::super::case::{OF_SOURCE_BY_TABLE, OF_TABLE, OF_VIEW};
use super::super::server::Server;

const VIEWS: [(&str, &str); 3] = [("of_source", OF_SOURCE_BY_TABLE), ("of_table", OF_TABLE), ("of_view", OF_VIEW)];

/// Returns the rows of each view.
pub async fn assert_equal_to_their_queries(server: &Server) -> Vec<Vec<Vec<String>>> {
    let mut all = vec![];
    for (view, query) in VIEWS {
        let kept = server.sql(&format!("SELECT * FROM {view}")).await.sorted();
        assert_eq!(kept, server.sql(query).await.sorted(), "the view {view} and its query\n{}", server.told());
        all.push(kept);
    }
    all
}
