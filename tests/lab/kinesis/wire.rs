//! The model's things as the service writes them.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use super::model::{Record, Shard, Stream};

pub fn summary(stream: &Stream) -> Value {
    json!({"StreamDescriptionSummary": {
        "StreamName": stream.name, "StreamARN": format!("arn:aws:kinesis:eu-central-1:1:stream/{}", stream.name), "StreamStatus": "ACTIVE",
        "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1.7e9, "EnhancedMonitoring": [], "OpenShardCount": stream.open().len(),
    }})
}

pub fn shard(stream: &Stream, shard: &Shard) -> Value {
    let mut written = json!({
        "ShardId": shard.id, "HashKeyRange": range(shard),
        "SequenceNumberRange": {"StartingSequenceNumber": shard.first_number.to_string()},
    });
    for (key, parent) in ["ParentShardId", "AdjacentParentShardId"].into_iter().zip(&shard.parents) {
        written[key] = json!(stream.shards[*parent].id);
    }
    if let Some(number) = shard.last_number {
        written["SequenceNumberRange"]["EndingSequenceNumber"] = json!(number.to_string());
    }
    written
}

pub fn children(stream: &Stream, shard: &Shard) -> Value {
    let id = |shard: &usize| stream.shards[*shard].id.as_str();
    let child = |child: &usize| {
        let parents: Vec<_> = stream.shards[*child].parents.iter().map(id).collect();
        json!({"ShardId": id(child), "ParentShards": parents, "HashKeyRange": range(&stream.shards[*child])})
    };
    shard.children.iter().map(child).collect()
}

pub fn iterator(stream: &Stream, shard: &Shard, next: usize) -> String {
    format!("{}/{}/{next}", stream.name, shard.id)
}

pub fn record(record: &Record) -> Value {
    json!({
        "SequenceNumber": record.number.to_string(), "Data": BASE64_STANDARD.encode(&record.data), "PartitionKey": record.key,
        "ApproximateArrivalTimestamp": record.arrival_millis as f64 / 1000.0,
    })
}

fn range(shard: &Shard) -> Value {
    json!({"StartingHashKey": shard.range.start().to_string(), "EndingHashKey": shard.range.end().to_string()})
}
