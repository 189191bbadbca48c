//! `lakewire generate`: the generator as a program. NDJSON to an output, into a Kinesis stream, or just the counts.

use std::io::{ErrorKind, Write};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::connector::RATE_MAX;
use super::kinesis_writer::{KinesisWriter, Order, connect};
use super::nexmark::{EVENT_TIME_RATE_MAX, Table};
use super::pacer::Pacer;
use super::parcel::Parcel;
use super::recipe::{Dataset, DatasetName, Recipe, SEED_DEFAULT, Stream, Wish};
use super::record::{Content, RECORD_BYTES_MAX, Record};
use super::summary::Summary;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// Lines are written out this many bytes at a time, sooner when there is a rate to wait for.
const OUTPUT_BUFFER_BYTES: usize = 256 << 10;

/// A record of Kinesis holds a megabyte.
const PARCEL_EVENTS_MAX: u64 = 500;
const _: () = assert!(PARCEL_EVENTS_MAX as usize * (RECORD_BYTES_MAX + 1) <= 1 << 20);

#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    /// What to generate
    #[arg(long, default_value = "network", value_parser = dataset_parser())]
    pub dataset: DatasetName,
    /// Which records of network: what happened, or users, devices and organisations [default: events]
    #[arg(long, value_parser = stream_parser())]
    pub stream: Option<Stream>,
    /// Which records of nexmark: the rows of this table [default: the events of all]
    #[arg(long, value_parser = table_parser())]
    pub table: Option<Table>,
    /// How many events of nexmark are in a second of event time [default: 10000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=EVENT_TIME_RATE_MAX))]
    pub event_time_rate: Option<u64>,
    /// The same seed gives the same records
    #[arg(long, default_value_t = SEED_DEFAULT)]
    pub seed: u64,
    /// How many records [default: no end]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub rows: Option<u64>,
    /// Leave out this many records at the beginning
    #[arg(long, default_value_t = 0)]
    pub skip: u64,
    /// Records per second [default: as fast as it can]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub rate: Option<u64>,
    /// Send nothing, print one JSON line with what would be sent
    #[arg(long, requires = "rows", conflicts_with_all = ["rate", "kinesis_stream"])]
    pub summary: bool,
    /// Put the records into this Kinesis stream, which must exist, and print the summary at the end
    #[arg(long)]
    pub kinesis_stream: Option<String>,
    /// Put up to so many events into each record of the stream, one on a line; broken ones stay by themselves
    #[arg(long, requires = "kinesis_stream", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=PARCEL_EVENTS_MAX))]
    pub per_record: u64,
    /// Endpoint of the Kinesis service [default: AWS]
    #[arg(long, requires = "kinesis_stream")]
    pub endpoint: Option<String>,
    /// Region of the Kinesis stream [default: from the AWS environment]
    #[arg(long, requires = "kinesis_stream")]
    pub region: Option<String>,
}

/// Does what `args` say and writes what there is to print to `out`.
pub async fn run(args: GenerateArgs, clock: Clock, out: &mut impl Write) -> Result<()> {
    let mut feed = Feed::new(&args, clock)?;
    match (&args.kinesis_stream, args.summary) {
        (Some(stream), _) => put_to_kinesis(&mut feed, &args, stream).await?,
        (None, true) => feed.count(),
        (None, false) => return write_lines(&mut feed, out).await,
    }
    serde_json::to_writer(&mut *out, &feed.summary)?;
    Ok(writeln!(out)?)
}

/// Each record is one line, broken ones too. An output that is closed early (`| head`) is an end, not an error.
async fn write_lines(feed: &mut Feed, out: &mut impl Write) -> Result<()> {
    match copy_lines(feed, out).await {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

async fn copy_lines(feed: &mut Feed, out: &mut impl Write) -> std::io::Result<()> {
    let mut lines = Vec::with_capacity(OUTPUT_BUFFER_BYTES + RECORD_BYTES_MAX);
    while let Some(limit) = feed.wait().await {
        while feed.make_before(limit) {
            lines.extend_from_slice(&feed.record.payload);
            lines.push(b'\n');
            if lines.len() >= OUTPUT_BUFFER_BYTES {
                out.write_all(&lines)?;
                lines.clear();
            }
        }
        out.write_all(&lines)?;
        out.flush()?;
        lines.clear();
    }
    Ok(())
}

async fn put_to_kinesis(feed: &mut Feed, args: &GenerateArgs, stream: &str) -> Result<()> {
    let order = match feed.recipe.dataset {
        Dataset::Network(Stream::Management) => Order::OfEachKey,
        Dataset::Network(Stream::Events) | Dataset::Nexmark { .. } => Order::Any,
    };
    if order == Order::OfEachKey && args.per_record > 1 {
        return Err(Error::invalid("--per-record would lose the keys of these records").with_hint("leave --per-record out"));
    }
    let client = connect(args.endpoint.as_deref(), args.region.as_deref()).await?;
    let mut writer = KinesisWriter::new(client, stream, order);
    let mut parcel = Parcel::of(args.per_record);
    while let Some(limit) = feed.wait().await {
        while feed.make_before(limit) {
            if feed.is_broken {
                writer.push(&feed.record).await?;
                continue;
            }
            parcel.add(&feed.record);
            if parcel.is_full() {
                push(&mut parcel, &mut writer).await?;
            }
        }
        push(&mut parcel, &mut writer).await?;
        writer.send().await?;
    }
    writer.finish().await
}

async fn push(parcel: &mut Parcel, writer: &mut KinesisWriter) -> Result<()> {
    match parcel.take() {
        Some(record) => writer.push(&record).await,
        None => Ok(()),
    }
}

/// The records that were asked for, one after the other, in time, and counted.
struct Feed {
    recipe: Recipe,
    pacer: Option<Pacer>,
    next: u64,
    end: u64,
    /// The last one made.
    record: Record,
    is_broken: bool,
    summary: Summary,
}

impl Feed {
    fn new(args: &GenerateArgs, clock: Clock) -> Result<Feed> {
        let wish = Wish { dataset: args.dataset, stream: args.stream, table: args.table, event_time_rate: args.event_time_rate };
        Ok(Feed {
            recipe: Recipe { dataset: wish.dataset()?, seed: args.seed },
            pacer: args.rate.map(|rate| Pacer::new(clock, rate, args.skip)),
            next: args.skip,
            end: args.rows.map_or(u64::MAX, |rows| args.skip.saturating_add(rows)),
            record: Record::default(),
            is_broken: false,
            summary: Summary::default(),
        })
    }

    /// Waits as the rate wants it. Returns the first record that is not due yet; None when all are made.
    async fn wait(&mut self) -> Option<u64> {
        match &mut self.pacer {
            _ if self.next >= self.end => None,
            Some(pacer) => Some(pacer.wait(self.next).await.min(self.end)),
            None => Some(self.end),
        }
    }

    /// Makes the next record if its number is below `limit`; says whether it did.
    fn make_before(&mut self, limit: u64) -> bool {
        if self.next >= limit {
            return false;
        }
        let content = self.recipe.make(self.next, &mut self.record);
        self.summary.count(content, &self.record);
        self.is_broken = matches!(content, Content::Broken(_));
        self.next += 1;
        true
    }

    fn count(&mut self) {
        while self.make_before(self.end) {}
    }
}

fn dataset_parser() -> impl TypedValueParser<Value = DatasetName> {
    PossibleValuesParser::new(DatasetName::WORDS.iter().copied())
        .map(|word| DatasetName::from_word(&word).expect("clap accepts only the words of the list"))
}

fn stream_parser() -> impl TypedValueParser<Value = Stream> {
    PossibleValuesParser::new(Stream::WORDS.iter().copied())
        .map(|word| Stream::from_word(&word).expect("clap accepts only the words of the list"))
}

fn table_parser() -> impl TypedValueParser<Value = Table> {
    PossibleValuesParser::new(Table::WORDS.iter().copied())
        .map(|word| Table::from_word(&word).expect("clap accepts only the words of the list"))
}
