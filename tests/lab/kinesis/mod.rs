//! A Kinesis at the SDK's HTTP boundary: streams whose shards split and merge while they are read, and a service that fails as the real one
//! does.
//!
//! - `plan`: what a seed says about it.
//! - `model`: streams, shards, records.
//! - `stages`: what becomes of them on the way.
//! - `service`: the answers, `wire`: how they are written, `faults`: which of them fail.
//! - `http`: requests in, answers out.
//!
//! It outlives the servers that read it, and answers within each life: its time is that of the life.

mod faults;
mod http;
mod model;
mod plan;
mod service;
mod stages;
mod wire;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use lakewire::model::{PartitionId, PartitionState, Position, Positions};
use parking_lot::Mutex;

use super::case::Story;
use faults::Draws;
use model::{Shard, Stream};
use service::{Service, State};
use stages::Stages;

pub use plan::Plan;

const STREAMS: [&str; 2] = ["pops-eu", "pops-us"];

pub struct Kinesis {
    plan: Plan,
    listener: TcpListener,
    service: Arc<Service>,
}

impl Kinesis {
    /// Listens; `serve` answers.
    pub fn new(plan: Plan, story: &Story) -> Kinesis {
        let mut streams: Vec<_> = STREAMS[..plan.streams as usize].iter().map(|name| Stream::new(name, plan.shards)).collect();
        let stages = Stages::begin(&plan, story, &mut streams);
        let draws = Draws::new(plan.seed, plan.rates);
        let service = Arc::new(Service { draws, page_max: plan.page_max, state: Mutex::new(State { streams, stages }) });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket can be asked without waiting");
        Kinesis { plan, listener, service }
    }

    /// Answers from now on, until the runtime that this is called in ends.
    pub fn serve(&self) {
        let listener = self.listener.try_clone().expect("a socket can be shared");
        tokio::spawn(http::serve(listener, self.service.clone()));
    }

    /// Makes the source `sent` of all streams, unless it is there. What the views name is declared: the service may fail for as long as the
    /// statement looks for columns.
    pub fn definition(&self) -> String {
        let Kinesis { plan, listener, .. } = self;
        let address = listener.local_addr().expect("a bound socket has an address");
        let streams = STREAMS[..plan.streams as usize].join(", ");
        format!(
            "CREATE SECRET IF NOT EXISTS kinesis_key AS 'not a real key'; \
             CREATE SOURCE IF NOT EXISTS sent (event_id text, event_type text) WITH (connector = 'kinesis', stream = '{streams}', \
                 region = 'eu-central-1', endpoint = 'http://{address}', access_key_id = 'AKIA', secret_access_key = SECRET kinesis_key, \
                 schema = 'evolve', start = 'earliest', poll_interval = '{}ms')",
            plan.poll_interval_ms
        )
    }

    /// How whoever has read all that was and will be sent leaves the shards. None while more is to come.
    pub fn end(&self) -> Option<Positions> {
        let state = self.service.state.lock();
        state.stages.are_over().then(|| shards(&state.streams).map(|(stream, shard)| (partition(stream, shard), end(shard))).collect())
    }

    /// What each shard was split or merged from.
    pub fn parents(&self) -> BTreeMap<PartitionId, Vec<PartitionId>> {
        let state = self.service.state.lock();
        shards(&state.streams).map(|(stream, shard)| (partition(stream, shard), parents(stream, shard))).collect()
    }
}

fn shards(streams: &[Stream]) -> impl Iterator<Item = (&Stream, &Shard)> {
    streams.iter().flat_map(|stream| stream.shards.iter().map(move |shard| (stream, shard)))
}

fn partition(stream: &Stream, shard: &Shard) -> PartitionId {
    PartitionId::new(format!("{}/{}", stream.name, shard.id))
}

fn parents(stream: &Stream, shard: &Shard) -> Vec<PartitionId> {
    shard.parents.iter().map(|parent| partition(stream, &stream.shards[*parent])).collect()
}

fn end(shard: &Shard) -> PartitionState {
    match (shard.is_open(), shard.records.last()) {
        (false, _) => PartitionState::Done,
        (true, Some(record)) => PartitionState::At(Position::new(record.number.to_string())),
        (true, None) => PartitionState::At(Position::new("TRIM_HORIZON")),
    }
}
