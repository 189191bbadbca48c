//! `connector = 'kinesis'`: one or several Amazon Kinesis data streams, read by polling.
//!
//! A partition is a shard: `pops-eu/shardId-000000000001`. We keep no leases and no table of our own: which shards there are comes from
//! `ListShards`, and how far each is read is known by the job. Where what is:
//! - `options`: what may stand in `WITH (…)`;
//! - `client`: the one SDK client of a source, with its time limits;
//! - `place`: what a position says, and the order of positions;
//! - `shards`: which shards may be read now: parents before children;
//! - `source`: the streams as a `Source`;
//! - `reader`: reads one shard within the service's limits;
//! - `pace` and `patience`: when to ask again, and for how much, after an answer, and after a failure;
//! - `failure`: what the service's errors mean.
//!
//! Enhanced fan-out has its place as `mode = 'efo'` and is refused by name. A record that the Kinesis Producer Library made out of several
//! (it begins with the bytes F3 89 9A C2) is not taken apart: it is handed on as it came, so a decoder rejects it with all its bytes and
//! nothing is lost or half read.
//!
//! Expired records are seen when the service refuses the position, and when a shard that was begun is no longer listed. A position whose record
//! has expired and that the service accepts all the same is not seen: a sequence number does not say when it was.

mod client;
mod failure;
mod options;
mod pace;
mod patience;
mod place;
mod reader;
mod shards;
mod source;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use async_trait::async_trait;

use self::options::KinesisOptions;
use self::source::KinesisSource;
use super::{Connector, Source};
use crate::clock::Clock;
use crate::error::Result;
use crate::model::Options;

pub struct Kinesis;

#[async_trait]
impl Connector for Kinesis {
    fn name(&self) -> &'static str {
        "kinesis"
    }

    fn validate(&self, options: &mut Options) -> Result<()> {
        KinesisOptions::take(options).map(|_| ())
    }

    async fn open(&self, mut options: Options, clock: Clock) -> Result<Box<dyn Source>> {
        let options = KinesisOptions::take(&mut options)?;
        Ok(Box::new(KinesisSource::open(options, clock).await?))
    }
}
