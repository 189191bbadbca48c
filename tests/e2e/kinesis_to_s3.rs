//! The main story, over a real Kinesis server and a real S3 server: 100,000 events from two streams, a shard split on the way, the server
//! killed five times. Every id is in the table once, every broken record among the rejects once, and other readers agree.
//!
//! The first events are records of their own, later ones share them: what the emulator can carry is records.
//!
//! `LAKEWIRE_KINESIS_EVENTS=1000000 cargo test --test main kinesis_to_s3` sends that many, and kills the server at every second percent.

use std::time::Duration;

use super::story::{assert_exact, assert_readers_agree};
use crate::servers::setting;
use crate::servers::{KinesisLocal, Ministack, Part, Place, Process, Server, Setup, put_into_kinesis, summary, wait_until};

const SEED: u64 = 7;
const EVENTS: u64 = 100_000;
/// What is in each stream before it is read, so that `CREATE SOURCE` has data to look at.
const FIRST_ROWS: u64 = 1_000;

/// Events after the first ones share records. What a call costs the Kinesis server grows with those that are there already.
const RECORDS: u64 = 10_000;

/// A guard, not a measurement.
const DEADLINE: Duration = Duration::from_secs(900);

/// What happens when this share of the events has arrived, in percent.
const ON_THE_WAY: &[(i64, Deed)] =
    &[(5, Deed::Kill), (15, Deed::SplitAShard), (16, Deed::Kill), (35, Deed::Kill), (55, Deed::Kill), (80, Deed::Kill)];

#[derive(Debug, Clone, Copy)]
enum Deed {
    Kill,
    SplitAShard,
}

#[tokio::test]
async fn a_hundred_thousand_events_arrive_once() {
    let asked_for = setting("LAKEWIRE_KINESIS_EVENTS");
    let events = asked_for.unwrap_or(EVENTS);
    assert!(
        (EVENTS..=500 * RECORDS).contains(&events) && events.is_multiple_of(2),
        "LAKEWIRE_KINESIS_EVENTS is an even number from {EVENTS} to {}",
        500 * RECORDS
    );
    let of_each = events / 2;
    // Each stream and the number of its first event.
    let streams = [("pops-eu", 0), ("pops-us", of_each)];
    let expected = summary(Part { seed: SEED, skip: 0, rows: 2 * of_each });
    let (kinesis, s3) = tokio::join!(KinesisLocal::start("pops-eu:2,pops-us:2"), Ministack::start("lake"));
    let mut server = Setup::default().s3(&s3, "s3://lake/warehouse").start().await;
    let folder = server.folder().to_path_buf();
    let put = |name, stream, skip, rows, per_record| {
        put_into_kinesis(name, Part { seed: SEED, skip, rows }, per_record, &kinesis, stream, &folder)
    };

    let first = streams.map(|(stream, begin)| put("first-events", stream, begin, FIRST_ROWS, 1));
    all_in(first).await;
    define(&server, &kinesis).await;
    let rest = streams.map(|(stream, begin)| put("events", stream, begin + FIRST_ROWS, of_each - FIRST_ROWS, events / RECORDS));
    for (percent, deed) in on_the_way(asked_for.is_some()) {
        arrived(&mut server, expected.valid * percent / 100).await;
        match deed {
            Deed::Kill => server.restart().await,
            Deed::SplitAShard => {
                kinesis.split_a_shard("pops-eu").await;
            }
        }
    }
    all_in(rest).await;
    arrived(&mut server, expected.valid).await;
    server.sql("FLUSH").await;

    assert_exact(&server, &expected, "events", "keep").await;
    for (event_type, count) in &expected.types {
        assert_eq!(server.number(&format!("SELECT count(*) FROM events WHERE event_type = '{event_type}'")).await, *count, "{event_type}");
    }
    let place = Place::S3 { uri: server.table_location("events").await, server: s3.address() };
    assert_readers_agree(&server, "events", place).await;
}

fn on_the_way(is_long: bool) -> Vec<(i64, Deed)> {
    match is_long {
        true => [(1, Deed::SplitAShard)].into_iter().chain((1..50).map(|half| (2 * half, Deed::Kill))).collect(),
        false => ON_THE_WAY.to_vec(),
    }
}

async fn define(server: &Server, kinesis: &KinesisLocal) {
    let source = format!(
        "CREATE SOURCE pop_events WITH (connector = 'kinesis', stream = 'pops-eu, pops-us', region = 'eu-central-1', endpoint = '{}', \
         start = 'earliest', poll_interval = '1s')",
        kinesis.endpoint()
    );
    server.sql(&source).await;
    server.sql("CREATE TABLE events () PARTITION BY (event_date)").await;
    let pipeline = "CREATE PIPELINE keep WITH (commit_interval = '1s') \
                    AS INSERT INTO events SELECT *, event_time::date AS event_date FROM pop_events";
    server.sql(pipeline).await;
}

async fn all_in(puts: [Process; 2]) {
    for mut put in puts {
        let status = put.ended(DEADLINE).await;
        assert!(status.success(), "the events could not be put: {status}");
    }
}

/// Waits until the table has this many rows.
async fn arrived(server: &mut Server, rows: i64) {
    wait_until(&format!("{rows} events are in the table"), DEADLINE, async || {
        server.assert_alive();
        let count = server.try_sql("SELECT count(*) FROM events").await.ok()?.number();
        (count >= rows).then_some(())
    })
    .await;
}
