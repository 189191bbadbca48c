//! What must hold whatever happened.
//!
//! - Each record that was sent is in the target once, or among the rejects once (`records`).
//! - A view equals its query, a view on a view too (`views`).
//! - No version of a table shows half an epoch; logs, manifests and positions agree; no shard is begun before its parents have been read
//!   (`epochs`).
//! - Nothing stays that nobody names, once a sweep has been there (`leftovers`).
//! - All that can be seen is what is to be seen after a run in which nothing happened (`assert_same`).

mod epochs;
mod leftovers;
mod records;
mod views;

pub use leftovers::sweep;

use super::case::Story;
use super::input::Input;
use super::server::Server;
use super::world::World;

/// What users see in the end.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    /// Name and type, of the source and the table.
    source: Vec<(String, String)>,
    table: Vec<(String, String)>,
    /// The rows of each view.
    views: Vec<Vec<Vec<String>>>,
}

/// Judges what the server shows after all was read.
pub async fn look(server: &Server, story: &Story) -> Seen {
    records::assert_exact(server, story).await;
    let views = views::assert_equal_to_their_queries(server).await;
    let source = server.sql("SELECT * FROM sent LIMIT 0").await.columns;
    let table = server.sql("SELECT * FROM events LIMIT 0").await.columns;
    Seen { source, table, views }
}

/// Judges what lies in the bucket, without asking the server.
pub fn of_the_bucket(world: &World, input: &Input) {
    epochs::assert_whole(world, input);
    leftovers::assert_none(world);
}

/// Between partitions records have no order, and so new columns have none: who comes first is first.
pub fn assert_same(seen: &Seen, undisturbed: &Seen, input: &Input) {
    assert_eq!(seen.views, undisturbed.views, "the views, and those of an undisturbed run");
    for (seen, undisturbed) in [(&seen.source, &undisturbed.source), (&seen.table, &undisturbed.table)] {
        match input.is_in_order() {
            true => assert_eq!(seen, undisturbed, "the columns, and those of an undisturbed run"),
            false => assert_eq!(sorted(seen), sorted(undisturbed), "the columns, and those of an undisturbed run"),
        }
    }
}

fn sorted(columns: &[(String, String)]) -> Vec<(String, String)> {
    let mut columns = columns.to_vec();
    columns.sort();
    columns
}
