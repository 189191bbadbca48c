//! What the service answers: the actions that a reader uses, over the model, with the faults that are drawn.

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::faults::{Action, Drawn, Draws, Fault};
use super::model::{Record, Shard, Stream};
use super::stages::Stages;
use super::wire;

/// The service's own limit.
const RECORDS_MAX: u64 = 10_000;
/// So many records are given again at most, and a short answer has fewer.
const FEW: u64 = 8;

pub struct Service {
    pub draws: Draws,
    /// Shards in one page of a listing. The real service's have up to a thousand.
    pub page_max: u64,
    pub state: Mutex<State>,
}

pub struct State {
    pub streams: Vec<Stream>,
    pub stages: Stages,
}

/// The status and the code of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub u16, pub &'static str);

pub type Answer = Result<Value, Refusal>;

const NOT_FOUND: Refusal = Refusal(400, "ResourceNotFoundException");
const BAD_ARGUMENT: Refusal = Refusal(400, "InvalidArgumentException");

impl Service {
    /// What is drawn for a request, before it is answered.
    pub fn draw(&self, action: Action, asked: &Value) -> Drawn {
        self.draws.draw(action, &about(action, asked))
    }

    pub fn answer(&self, action: Action, asked: &Value, drawn: &mut Drawn) -> Answer {
        if let Some(refusal) = drawn.fault.and_then(|fault| refusal(action, fault, asked)) {
            return Err(refusal);
        }
        let mut state = self.state.lock();
        let State { streams, stages } = &mut *state;
        match action {
            Action::DescribeStreamSummary => Ok(wire::summary(stream(streams, asked)?)),
            Action::ListShards => {
                let page = self.page_max - drawn.dice.below(self.page_max / 2 + 1);
                list_shards(streams, asked, page as usize)
            }
            Action::GetShardIterator => get_shard_iterator(streams, asked),
            Action::GetRecords => {
                let answer = get_records(streams, asked, drawn);
                stages.read(streams);
                answer
            }
        }
    }
}

/// What tells a request from all others but its own repetitions. How many records are asked for depends on what went wrong before.
fn about(action: Action, asked: &Value) -> String {
    match action {
        Action::GetRecords => asked["ShardIterator"].to_string(),
        _ => asked.to_string(),
    }
}

/// The faults that are an error of the service's.
fn refusal(action: Action, fault: Fault, asked: &Value) -> Option<Refusal> {
    let is_of_a_shard = matches!(action, Action::GetRecords | Action::GetShardIterator);
    match fault {
        Fault::Throttled if is_of_a_shard => Some(Refusal(400, "ProvisionedThroughputExceededException")),
        Fault::Throttled => Some(Refusal(400, "LimitExceededException")),
        Fault::Internal => Some(Refusal(500, "InternalFailure")),
        Fault::Expired if is_of_a_shard => Some(Refusal(400, "ExpiredIteratorException")),
        Fault::Expired => asked.get("NextToken").map(|_| Refusal(400, "ExpiredNextTokenException")),
        Fault::Lost | Fault::Again | Fault::Short => None,
    }
}

fn list_shards(streams: &[Stream], asked: &Value, page: usize) -> Answer {
    let (stream, first) = match asked["NextToken"].as_str() {
        Some(_) if asked.get("StreamName").is_some() => return Err(BAD_ARGUMENT),
        Some(token) => place_of(token).and_then(|(name, first)| Some((named(streams, name)?, first))).ok_or(BAD_ARGUMENT)?,
        None => (stream(streams, asked)?, 0),
    };
    let end = (first + page).min(stream.shards.len());
    let shards: Vec<_> = stream.shards[first.min(end)..end].iter().map(|shard| wire::shard(stream, shard)).collect();
    let next = (end < stream.shards.len()).then(|| format!("{}/{end}", stream.name));
    Ok(json!({"Shards": shards, "NextToken": next}))
}

/// The iterator says it all: the stream, the shard, and how many records of it come before.
fn get_shard_iterator(streams: &[Stream], asked: &Value) -> Answer {
    let stream = stream(streams, asked)?;
    let shard = asked["ShardId"].as_str().and_then(|id| stream.shard(id)).ok_or(NOT_FOUND)?;
    let shard = &stream.shards[shard];
    let numbered = || shard.before(asked["StartingSequenceNumber"].as_str()?.parse().ok()?);
    let timed = || asked["Timestamp"].as_f64().map(|seconds| shard.before_time((seconds * 1000.0).round() as i64));
    let next = match asked["ShardIteratorType"].as_str() {
        Some("TRIM_HORIZON") => Some(0),
        Some("LATEST") => Some(shard.records.len()),
        Some("AT_SEQUENCE_NUMBER") => numbered(),
        Some("AFTER_SEQUENCE_NUMBER") => numbered().map(|before| before + 1),
        Some("AT_TIMESTAMP") => timed(),
        _ => None,
    };
    Ok(json!({"ShardIterator": wire::iterator(stream, shard, next.ok_or(BAD_ARGUMENT)?)}))
}

fn get_records(streams: &[Stream], asked: &Value, drawn: &mut Drawn) -> Answer {
    let iterator = asked["ShardIterator"].as_str().and_then(place_of);
    let found = iterator.and_then(|(shard, next)| {
        let (name, id) = shard.split_once('/')?;
        let stream = named(streams, name)?;
        Some((stream, &stream.shards[stream.shard(id)?], next))
    });
    let (stream, shard, next) = found.ok_or(BAD_ARGUMENT)?;
    let limit = asked["Limit"].as_u64().unwrap_or(RECORDS_MAX);
    if !(1..=RECORDS_MAX).contains(&limit) {
        return Err(BAD_ARGUMENT);
    }
    let given = Given::choose(shard, next, limit, drawn);
    let is_over = !shard.is_open() && given.next == shard.records.len();
    let mut answer = json!({
        "Records": given.records.into_iter().map(wire::record).collect::<Vec<_>>(),
        "MillisBehindLatest": shard.behind_millis(given.next),
        "NextShardIterator": (!is_over).then(|| wire::iterator(stream, shard, given.next)),
    });
    if is_over {
        answer["ChildShards"] = wire::children(stream, shard);
    }
    Ok(answer)
}

/// The records of one answer, and the number of the record to go on with.
struct Given<'a> {
    records: Vec<&'a Record>,
    next: usize,
}

impl<'a> Given<'a> {
    fn choose(shard: &'a Shard, next: usize, limit: u64, Drawn { fault, dice, .. }: &mut Drawn) -> Given<'a> {
        let (first, count) = match fault {
            Some(Fault::Again) => (next.saturating_sub(dice.below(FEW) as usize), limit),
            Some(Fault::Short) => (next, limit.min(dice.below(FEW))),
            _ => (next, limit),
        };
        let end = (first + count as usize).min(shard.records.len());
        let mut records: Vec<_> = shard.records[first..end].iter().collect();
        if *fault == Some(Fault::Again) {
            let twice = records.len().min(dice.below(FEW) as usize);
            records.extend_from_within(records.len() - twice..);
        }
        Given { records, next: end }
    }
}

fn stream<'a>(streams: &'a [Stream], asked: &Value) -> Result<&'a Stream, Refusal> {
    asked["StreamName"].as_str().and_then(|name| named(streams, name)).ok_or(NOT_FOUND)
}

fn named<'a>(streams: &'a [Stream], name: &str) -> Option<&'a Stream> {
    streams.iter().find(|stream| stream.name == name)
}

/// What stands before the last slash, and the number after it.
fn place_of(text: &str) -> Option<(&str, usize)> {
    let (of, number) = text.rsplit_once('/')?;
    Some((of, number.parse().ok()?))
}
