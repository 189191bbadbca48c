//! The generator as a source: the contract of `sources`.

use std::cmp::Ordering;
use std::time::Duration;

use super::super::{GeneratorConnector, Stream};
use super::{made, recipe};
use crate::clock::Clock;
use crate::error::Kind;
use crate::model::options::Start;
use crate::model::{Options, PartitionId, PartitionState, Position, Positions};
use crate::sources::{Batch, Behind, Connector, Source};

fn options(entries: &[(&str, &str)]) -> Options {
    entries.iter().fold(Options::default(), |options, (key, value)| options.with(key, *value))
}

fn clock() -> Clock {
    Clock::mock(chrono::DateTime::UNIX_EPOCH)
}

async fn open(entries: &[(&str, &str)]) -> Box<dyn Source> {
    GeneratorConnector.open(options(entries), clock()).await.unwrap()
}

/// Offsets and payloads from a position to the end.
async fn read_all(source: &dyn Source, partition: &str, from: &str) -> Vec<(u64, Vec<u8>)> {
    let mut reader = source.read(&PartitionId::new(partition), &Position::new(from)).await.unwrap();
    let mut all = Vec::new();
    loop {
        let batch = reader.next().await.unwrap();
        all.extend(rows(&batch));
        if let Some((offset, _)) = all.last() {
            assert_eq!(batch.next.as_str(), offset.to_string());
        }
        if batch.ended {
            return all;
        }
        assert!(!batch.records.is_empty());
    }
}

fn rows(batch: &Batch) -> Vec<(u64, Vec<u8>)> {
    let payloads = batch.records.payload.iter().map(|payload| payload.unwrap().to_vec());
    batch.records.offset.iter().map(|offset| offset.unwrap().parse().unwrap()).zip(payloads).collect()
}

#[tokio::test]
async fn partitions_together_are_the_whole() {
    let expected: Vec<_> = made(recipe(Stream::Events, 9), 0..10_001).into_iter().map(|(_, payload)| payload).collect();
    for partitions in ["1", "2", "7", "64"] {
        let source = open(&[("seed", "9"), ("rows", "10001"), ("partitions", partitions)]).await;
        let mut all = Vec::new();
        for partition in source.partitions(&Positions::new()).await.unwrap() {
            all.extend(read_all(source.as_ref(), partition.id.as_str(), "0").await);
        }
        all.sort();
        assert!(all.iter().map(|(offset, _)| *offset).eq(1..=10_001), "{partitions} partitions");
        assert!(all.iter().map(|(_, payload)| payload).eq(&expected), "{partitions} partitions");
    }
}

#[tokio::test]
async fn any_position_can_be_gone_on_from() {
    let source = open(&[("rows", "9000"), ("partitions", "3")]).await;
    let whole = read_all(source.as_ref(), "1", "0").await;
    assert_eq!(whole.len(), 3000);
    for passed in [0, 1, 2, 3, 4, 5, 4095, 4096, 8997, 8998, 8999, 9000, 9001] {
        let rest = read_all(source.as_ref(), "1", &passed.to_string()).await;
        let expected: Vec<_> = whole.iter().filter(|(offset, _)| *offset > passed).cloned().collect();
        assert!(rest == expected, "after position {passed}");
    }
}

#[tokio::test]
async fn a_partition_that_is_done_is_not_listed_again() {
    let source = open(&[("partitions", "3"), ("rows", "10")]).await;
    let known =
        Positions::from([(PartitionId::new("1"), PartitionState::Done), (PartitionId::new("2"), PartitionState::At(Position::new("4")))]);
    let ids: Vec<_> = source.partitions(&known).await.unwrap().into_iter().map(|partition| partition.id.to_string()).collect();
    assert_eq!(ids, ["0", "2"]);
}

#[tokio::test]
async fn it_has_no_past() {
    let source = open(&[]).await;
    let partition = PartitionId::new("0");
    for start in [Start::Earliest, Start::Latest, Start::At(chrono::DateTime::UNIX_EPOCH)] {
        assert_eq!(source.start(&partition, start, &Positions::new()).await.unwrap(), Position::new("0"));
    }
    assert_eq!(source.recent(&partition).await.unwrap(), Position::new("0"));
    assert_eq!(source.compare(&Position::new("9"), &Position::new("10")), Ordering::Less);
}

#[tokio::test]
async fn keys_and_arrival_times() {
    let source = open(&[("stream", "management")]).await;
    let mut reader = source.read(&PartitionId::new("0"), &Position::new("0")).await.unwrap();
    let batch = reader.next().await.unwrap();
    assert_eq!((batch.records.key.value(0), batch.records.arrival_time.value(0)), (&b"org-1"[..], 0));
    assert_eq!((batch.behind, batch.ended), (Behind::default(), false));
}

#[tokio::test]
async fn a_rate_is_kept_by_the_clock() {
    let clock = clock();
    let source = GeneratorConnector.open(options(&[("rate", "1000"), ("partitions", "2")]), clock.clone()).await.unwrap();
    let mut reader = source.read(&PartitionId::new("0"), &Position::new("500")).await.unwrap();
    assert!(rows(&reader.next().await.unwrap()).iter().map(|(offset, _)| *offset).eq([501]));
    assert!(reader.next().await.unwrap().records.is_empty(), "nothing is due while the clock stands still");
    clock.advance(Duration::from_millis(10));
    let batch = reader.next().await.unwrap();
    assert!(rows(&batch).iter().map(|(offset, _)| *offset).eq([503, 505, 507, 509, 511]));
    assert_eq!(batch.behind, Behind { records: Some(0), milliseconds: Some(0) });
}

#[tokio::test]
async fn how_far_the_end_is() {
    let source = open(&[("rows", "10000")]).await;
    let mut reader = source.read(&PartitionId::new("0"), &Position::new("0")).await.unwrap();
    let batch = reader.next().await.unwrap();
    assert_eq!(batch.behind.records, Some(10_000 - batch.records.len() as u64));
}

#[test]
fn options_are_checked() {
    for (entries, message) in [
        (&[("dataset", "weather")][..], "option \"dataset\" is one of network, nexmark, not 'weather'"),
        (&[("stream", "logs")], "option \"stream\" is one of events, management, not 'logs'"),
        (&[("table", "bid")], "option \"table\" belongs to dataset 'nexmark'"),
        (&[("event_time_rate", "5")], "option \"event_time_rate\" belongs to dataset 'nexmark'"),
        (&[("dataset", "nexmark"), ("stream", "events")], "option \"stream\" belongs to dataset 'network'"),
        (&[("dataset", "nexmark"), ("table", "bids")], "option \"table\" is one of person, auction, bid, not 'bids'"),
        (&[("dataset", "nexmark"), ("event_time_rate", "0")], "option \"event_time_rate\" is a whole number from 1 to 10000000, not '0'"),
        (&[("rows", "0")], "option \"rows\" is a whole number from 1 to 18446744073709551615, not '0'"),
        (&[("rate", "fast")], "option \"rate\" is a whole number from 1 to 10000000, not 'fast'"),
        (&[("partitions", "65")], "option \"partitions\" is a whole number from 1 to 64, not '65'"),
        (&[("stream", "management"), ("partitions", "2")], "stream 'management' has one partition"),
        (&[("endpoint", "x")], "unknown option \"endpoint\" for connector \"generator\""),
    ] {
        let mut options = options(entries);
        let outcome = GeneratorConnector.validate(&mut options).and_then(|()| options.finish("connector \"generator\""));
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Invalid, message));
    }
    let mut all =
        options(&[("dataset", "network"), ("stream", "events"), ("seed", "1"), ("rows", "1"), ("rate", "1"), ("partitions", "1")]);
    GeneratorConnector.validate(&mut all).unwrap();
    all.finish("connector \"generator\"").unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_refused() {
    let source = open(&[("partitions", "2")]).await;
    for (partition, position, message) in
        [("2", "0", "partition \"2\" does not exist"), ("0", "-1", "\"-1\" is not a position of a generator")]
    {
        let error = source.read(&PartitionId::new(partition), &Position::new(position)).await.err().unwrap();
        assert_eq!(error.message(), message);
    }
}
