//! `lakewire generate` without a stream.

use std::io::{Error, ErrorKind, Write};

use clap::Parser;

use super::super::{GenerateArgs, Stream, Summary, run};
use super::{made, recipe};
use crate::clock::Clock;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    args: GenerateArgs,
}

fn args(line: &str) -> GenerateArgs {
    Program::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}")).args
}

async fn output(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    run(args(line), Clock::wall(), &mut out).await.unwrap();
    out
}

#[tokio::test]
async fn lines_are_the_records() {
    let out = output("generate --seed 3 --rows 3000").await;
    let lines: Vec<_> = out.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
    assert!(lines.into_iter().eq(made(recipe(Stream::Events, 3), 0..3000).iter().map(|(_, payload)| payload.as_slice())));
}

#[tokio::test]
async fn parts_are_the_whole() {
    let whole = output("generate --rows 5000 --stream management").await;
    let mut parts = output("generate --rows 2000 --stream management").await;
    parts.extend(output("generate --skip 2000 --rows 3000 --stream management").await);
    assert!(whole == parts);
}

#[tokio::test]
async fn the_summary_is_one_json_line() {
    let out = String::from_utf8(output("generate --dataset network --seed 3 --skip 10 --rows 3000 --summary").await).unwrap();
    assert_eq!(out.matches('\n').count(), 1);
    let printed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(printed, serde_json::to_value(Summary::of(&recipe(Stream::Events, 3), 10, 3000)).unwrap());
    assert!(["records", "valid", "broken", "bytes_in_sum"].iter().all(|field| printed[field].is_u64()));
}

#[tokio::test]
async fn a_rate_changes_no_record() {
    assert!(output("generate --rows 100 --rate 10000").await == output("generate --rows 100").await);
}

/// Takes some bytes, then hangs up.
struct Head(usize);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn without_rows_it_goes_on_until_the_reader_hangs_up() {
    run(args("generate"), Clock::wall(), &mut Head(1 << 20)).await.unwrap();
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    for line in [
        "generate --summary",
        "generate --rows 5 --summary --rate 5",
        "generate --rows 5 --summary --kinesis-stream s",
        "generate --rows 5 --endpoint http://localhost",
        "generate --rows 5 --stream logs",
        "generate --rows 0",
    ] {
        assert!(Program::try_parse_from(line.split_whitespace()).is_err(), "{line}");
    }
}

#[tokio::test]
async fn a_table_of_nexmark_is_written_alone() {
    let out = output("generate --dataset nexmark --table bid --rows 47 --event-time-rate 50").await;
    let bids: Vec<serde_json::Value> = String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((bids.len(), &bids[46]["date_time"]), (47, &serde_json::json!("2026-01-01T00:00:01.080Z")));
    let error = run(args("generate --rows 5 --table bid"), Clock::wall(), &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.message(), "option \"table\" belongs to dataset 'nexmark'");
}
