//! The connector against a scripted service, through its contract and over HTTP.

use chrono::DateTime;
use serde_json::{Value, json};

use super::fake::{FakeKinesis, records, summary};
use crate::clock::Clock;
use crate::error::{Kind, SqlState};
use crate::model::options::Start;
use crate::model::{PartitionId, PartitionState, Position, Positions};
use crate::sources::{Batch, PartitionReader, Source, connector};

const NOW_MILLIS: i64 = 1_700_000_000_500;

fn clock() -> Clock {
    Clock::mock(DateTime::from_timestamp_millis(NOW_MILLIS).unwrap())
}

fn shard(number: u32) -> PartitionId {
    PartitionId::new(format!("s/shardId-{number:012}"))
}

fn listing(shards: &[(u32, &[u32])]) -> Value {
    let name = |number: &u32| format!("shardId-{number:012}");
    let shards: Vec<_> = shards
        .iter()
        .map(|(number, parents)| {
            json!({
                "ShardId": name(number), "ParentShardId": parents.first().map(name), "AdjacentParentShardId": parents.get(1).map(name),
                "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"}, "SequenceNumberRange": {"StartingSequenceNumber": "1"},
            })
        })
        .collect();
    json!({ "Shards": shards })
}

async fn reader(source: &dyn Source, from: &str) -> Box<dyn PartitionReader> {
    source.read(&shard(0), &Position::new(from)).await.unwrap()
}

/// Reads until something comes.
async fn something(reader: &mut dyn PartitionReader) -> Batch {
    loop {
        let batch = reader.next().await.unwrap();
        if !batch.records.is_empty() || batch.ended {
            return batch;
        }
    }
}

fn payloads(batch: &Batch) -> Vec<&str> {
    batch.records.payload.iter().map(|payload| std::str::from_utf8(payload.unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn records_come_with_offset_time_and_key() {
    let fake = FakeKinesis::with_stream().await;
    fake.answer("GetShardIterator", json!({"ShardIterator": "i1"}));
    fake.answer("GetRecords", records(&[("5", "a"), ("10", "bb")], Some("i2"), 1500));
    fake.answer("GetRecords", records(&[], Some("i3"), 0));
    let source = fake.open(clock()).await.unwrap();
    let mut reader = reader(&*source, "TRIM_HORIZON").await;

    let batch = reader.next().await.unwrap();
    assert_eq!(payloads(&batch), ["a", "bb"]);
    assert_eq!(batch.records.offset.iter().flatten().collect::<Vec<_>>(), ["5", "10"]);
    assert_eq!(batch.records.arrival_time.value(0), 1_700_000_000_250_000);
    assert_eq!(batch.records.key.value(1), b"key bb");
    assert_eq!((batch.next.as_str(), batch.behind.milliseconds, batch.ended), ("10", Some(1500), false));

    let batch = reader.next().await.unwrap();
    assert!(batch.records.is_empty());
    assert_eq!((batch.next.as_str(), batch.behind.milliseconds), ("10", Some(0)));

    let asked = fake.asked("GetShardIterator");
    assert_eq!(asked, [json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"})]);
    let iterators: Vec<_> = fake.asked("GetRecords").iter().map(|body| body["ShardIterator"].clone()).collect();
    assert_eq!(iterators, ["i1", "i2"]);
}

#[tokio::test]
async fn an_expired_iterator_is_renewed_after_the_last_record() {
    let fake = FakeKinesis::with_stream().await;
    fake.answer("GetShardIterator", json!({"ShardIterator": "i1"}));
    fake.answer("GetRecords", records(&[("7", "a")], Some("i2"), 0));
    fake.refuse("GetRecords", 400, "ExpiredIteratorException");
    fake.answer("GetShardIterator", json!({"ShardIterator": "i3"}));
    fake.answer("GetRecords", records(&[("8", "b")], Some("i4"), 0));
    let source = fake.open(clock()).await.unwrap();
    let mut reader = reader(&*source, "0004").await;

    assert_eq!(payloads(&something(&mut *reader).await), ["a"]);
    assert_eq!(payloads(&something(&mut *reader).await), ["b"]);
    let starts: Vec<_> = fake.asked("GetShardIterator").iter().map(|body| body["StartingSequenceNumber"].clone()).collect();
    assert_eq!(starts, ["4", "7"]);
    assert_eq!(fake.asked("GetShardIterator")[1]["ShardIteratorType"], "AFTER_SEQUENCE_NUMBER");
}

#[tokio::test]
async fn a_record_that_is_given_again_is_passed_over() {
    let fake = FakeKinesis::with_stream().await;
    fake.answer("GetShardIterator", json!({"ShardIterator": "i1"}));
    // From before the place that was asked for, twice in one answer, and with another number of digits.
    fake.answer("GetRecords", records(&[("3", "x"), ("4", "x"), ("7", "a"), ("0007", "x"), ("5", "x"), ("10", "b")], Some("i2"), 1));
    fake.answer("GetRecords", records(&[("7", "x"), ("10", "x")], Some("i3"), 1));
    fake.answer("GetRecords", records(&[("10", "x"), ("11", "c\nc"), ("11", "x")], Some("i4"), 1));
    fake.refuse("GetRecords", 400, "ExpiredIteratorException");
    fake.answer("GetShardIterator", json!({"ShardIterator": "i5"}));
    fake.answer("GetRecords", records(&[("11", "x"), ("12", "d")], None, 0));
    let source = fake.open(clock()).await.unwrap();
    let mut reader = reader(&*source, "4").await;

    let batch = reader.next().await.unwrap();
    assert_eq!((payloads(&batch), batch.next.as_str()), (vec!["a", "b"], "10"));
    let nothing = reader.next().await.unwrap();
    assert_eq!((nothing.records.len(), nothing.next.as_str(), nothing.ended), (0, "10", false));
    // A record that holds several stays whole.
    assert_eq!(payloads(&something(&mut *reader).await), ["c\nc"]);
    let last = something(&mut *reader).await;
    assert_eq!((payloads(&last), last.next.as_str(), last.ended), (vec!["d"], "12", true));
}

#[tokio::test]
async fn a_record_without_a_number_is_never_passed_over() {
    let fake = FakeKinesis::with_stream().await;
    fake.answer("GetShardIterator", json!({"ShardIterator": "i1"}));
    fake.answer("GetRecords", records(&[("7", "a"), ("", "b")], Some("i2"), 0));
    fake.answer("GetRecords", records(&[("7", "a"), ("8", "b")], Some("i2"), 0));
    let source = fake.open(clock()).await.unwrap();
    assert_eq!(payloads(&something(&mut *reader(&*source, "4").await).await), ["a", "b"]);
}

#[tokio::test]
async fn throttling_and_server_errors_are_waited_out() {
    let fake = FakeKinesis::with_stream().await;
    fake.refuse("GetShardIterator", 400, "ProvisionedThroughputExceededException");
    fake.answer("GetShardIterator", json!({"ShardIterator": "i1"}));
    fake.refuse("GetRecords", 400, "LimitExceededException");
    fake.refuse("GetRecords", 500, "InternalFailure");
    fake.answer("GetRecords", records(&[("7", "a")], Some("i2"), 0));
    let source = fake.open(clock()).await.unwrap();
    let mut reader = reader(&*source, "4").await;

    let quiet = reader.next().await.unwrap();
    assert_eq!((quiet.records.len(), quiet.next.as_str(), quiet.ended), (0, "4", false));
    assert_eq!(payloads(&something(&mut *reader).await), ["a"]);
    let limits: Vec<_> = fake.asked("GetRecords").iter().map(|body| body["Limit"].as_i64().unwrap()).collect();
    assert_eq!(limits, [2_500, 625, 156], "what was too much is asked for in smaller portions");
}

#[tokio::test]
async fn a_closed_shard_ends_with_its_last_records() {
    let fake = FakeKinesis::with_stream().await;
    fake.answer("GetShardIterator", json!({"ShardIterator": "i1"}));
    fake.answer("GetRecords", records(&[("7", "a")], None, 0));
    let source = fake.open(clock()).await.unwrap();
    let mut reader = reader(&*source, "TRIM_HORIZON").await;

    let last = reader.next().await.unwrap();
    assert_eq!((payloads(&last), last.ended), (vec!["a"], true));
    let after = reader.next().await.unwrap();
    assert_eq!((after.records.len(), after.next.as_str(), after.ended), (0, "7", true));
    assert_eq!(fake.asked("GetRecords").len(), 1);
}

#[tokio::test]
async fn expired_records_are_an_error_and_never_a_gap() {
    let fake = FakeKinesis::with_stream().await;
    fake.refuse("GetShardIterator", 400, "InvalidArgumentException");
    let source = fake.open(clock()).await.unwrap();
    let error = reader(&*source, "4").await.next().await.err().unwrap();
    assert_eq!(error.kind(), Kind::Data);
    assert_eq!(error.message(), "records after position 4 of \"s/shardId-000000000000\" have expired");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_time_that_has_not_come_is_waited_for() {
    let fake = FakeKinesis::with_stream().await;
    let clock = clock();
    let source = fake.open(clock.clone()).await.unwrap();
    let mut reader = reader(&*source, &format!("AT_TIMESTAMP:{}", NOW_MILLIS + 60_000)).await;
    assert!(reader.next().await.unwrap().records.is_empty());
    assert!(fake.asked("GetShardIterator").is_empty());

    // Now it has come by our clock; the service's clock is behind.
    clock.advance(std::time::Duration::from_secs(60));
    fake.refuse("GetShardIterator", 400, "InvalidArgumentException");
    fake.answer("GetShardIterator", json!({"ShardIterator": "i1"}));
    fake.answer("GetRecords", records(&[("7", "a")], Some("i2"), 0));
    assert_eq!(payloads(&something(&mut *reader).await), ["a"]);
    assert_eq!(fake.asked("GetShardIterator")[1]["Timestamp"], 1_700_000_060.5);
}

#[tokio::test]
async fn a_start_is_a_place_that_stays() {
    let fake = FakeKinesis::with_stream().await;
    fake.answer("ListShards", listing(&[(0, &[]), (1, &[0]), (2, &[9])]));
    let source = fake.open(clock()).await.unwrap();
    source.partitions(&Positions::new()).await.unwrap();
    let none = Positions::new();
    let begun = Positions::from([(shard(0), PartitionState::Done)]);
    let at = Start::At(DateTime::from_timestamp_millis(123).unwrap());
    for (number, start, known, position) in [
        (0, Start::Earliest, &none, "TRIM_HORIZON"),
        (0, Start::Latest, &none, "AT_TIMESTAMP:1700000000500"),
        (0, at, &none, "AT_TIMESTAMP:123"),
        (1, Start::Latest, &begun, "TRIM_HORIZON"),
        (1, at, &begun, "AT_TIMESTAMP:123"),
        (2, Start::Latest, &begun, "AT_TIMESTAMP:1700000000500"),
    ] {
        assert_eq!(source.start(&shard(number), start, known).await.unwrap().as_str(), position, "{number} {start}");
    }
    assert_eq!(source.recent(&shard(0)).await.unwrap().as_str(), "AT_TIMESTAMP:1699999400500");
}

#[tokio::test]
async fn shards_are_listed_over_pages_and_through_throttling() {
    let fake = FakeKinesis::with_stream().await;
    let mut first = listing(&[(1, &[])]);
    first["NextToken"] = json!("more");
    fake.refuse("ListShards", 400, "LimitExceededException");
    fake.answer("ListShards", first.clone());
    fake.refuse("ListShards", 400, "ExpiredNextTokenException");
    fake.answer("ListShards", first);
    fake.answer("ListShards", listing(&[(0, &[]), (2, &[0, 1])]));
    let source = fake.open(clock()).await.unwrap();
    let known = Positions::from([(shard(0), PartitionState::Done)]);
    let listed: Vec<_> = source.partitions(&known).await.unwrap().into_iter().map(|partition| partition.id).collect();
    assert_eq!(listed, [shard(1)]);
    assert_eq!(fake.asked("ListShards")[4], json!({"NextToken": "more"}));
}

#[tokio::test]
async fn a_shard_that_is_gone_before_its_end_is_an_error() {
    let fake = FakeKinesis::with_stream().await;
    fake.answer("ListShards", listing(&[(1, &[0])]));
    let source = fake.open(clock()).await.unwrap();
    let known = Positions::from([(shard(0), PartitionState::At(Position::new("5")))]);
    let error = source.partitions(&known).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Data, "records after position 5 of \"s/shardId-000000000000\" have expired"));
}

#[tokio::test]
async fn opening_says_what_is_wrong() {
    let fake = FakeKinesis::start().await;
    let place = format!("region eu-central-1 at {}", fake.endpoint);
    fake.refuse("DescribeStreamSummary", 400, "ResourceNotFoundException");
    fake.refuse("DescribeStreamSummary", 400, "AccessDeniedException");
    fake.answer("DescribeStreamSummary", json!({"StreamDescriptionSummary": summary("CREATING")}));
    for (kind, message) in [
        (Kind::Undefined, format!("stream \"s\" does not exist in {place}")),
        (Kind::Invalid, format!("access to stream \"s\" in {place} is refused")),
        (Kind::Unavailable, format!("stream \"s\" in {place} is still being created")),
    ] {
        let error = fake.open(clock()).await.err().unwrap();
        assert_eq!((error.kind(), error.message()), (kind, message.as_str()), "{error:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_unavailable() {
    let fake = FakeKinesis::start().await;
    let options = fake.options().with("endpoint", "http://127.0.0.1:1");
    let error = connector("kinesis").unwrap().open(options, clock()).await.err().unwrap();
    assert_eq!((error.kind(), error.sqlstate()), (Kind::Unavailable, SqlState::CONNECTION_FAILURE), "{error:?}");
    assert_eq!(error.message(), "cannot reach stream \"s\" in region eu-central-1 at http://127.0.0.1:1");
}
