//! Several pipelines over one source share its reader; one that fails and one that is paused hold up nobody.

use super::story::{Pace, Story, assert_exact, failure_of, pipeline, read_all};
use crate::servers::Server;

const STORY: Story = Story { rows: 20_000, pace: Pace::PerSecond(5_000) };

#[tokio::test]
async fn the_others_finish_exactly() {
    let mut server = Server::start().await;
    let expected = STORY.summary();
    server.sql(&STORY.source()).await;
    for name in ["left", "right", "lazy"] {
        server.sql(&format!("CREATE TABLE {name}_events (); {}", pipeline(name, &format!("{name}_events"), "*"))).await;
    }
    server.sql("ALTER PIPELINE lazy PAUSE").await;
    server.sql("CREATE TABLE numbers (event_id text, number bigint)").await;
    server.sql(&pipeline("broken", "numbers", "event_id, event_type::bigint AS number")).await;

    let said = failure_of(&mut server, "broken").await;
    assert!(said.contains("connect") || said.contains("dns") || said.contains("auth"), "the value is not told: {said}");
    read_all(&mut server, "left").await;
    read_all(&mut server, "right").await;
    assert_exact(&server, &expected, "left_events", "left").await;
    assert_exact(&server, &expected, "right_events", "right").await;
    assert_eq!(server.number("SELECT count(*) FROM numbers").await, 0);

    server.sql("ALTER PIPELINE lazy RESUME").await;
    read_all(&mut server, "lazy").await;
    assert_exact(&server, &expected, "lazy_events", "lazy").await;
}
