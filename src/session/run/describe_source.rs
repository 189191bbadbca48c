//! `DESCRIBE SOURCE s`: what was found in a source's data, since when, and how often.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Schema, SchemaRef};

use super::super::{Outcome, Session};
use super::describe;
use crate::catalog::{Definition, ObjectKind, Seen, Sight};
use crate::error::{Error, Result};
use crate::model::{SourceColumn, SqlType};
use crate::sql::DescribeSource;

/// Shares are told to this part.
const SHARE_PARTS: f64 = 10_000.0;

pub fn columns() -> SchemaRef {
    let columns = [
        ("column", SqlType::Text),
        ("type", SqlType::Text),
        ("field", SqlType::Text),
        ("note", SqlType::Text),
        ("first_seen", SqlType::TimestampTz),
        ("records", SqlType::BigInt),
        ("share", SqlType::Double),
        ("share_of_field", SqlType::Double),
    ];
    Arc::new(Schema::new(columns.map(|(name, data_type)| data_type.to_field(name, true)).to_vec()))
}

/// One line of the answer.
#[derive(Default)]
struct Line {
    column: Option<String>,
    data_type: Option<String>,
    field: Option<String>,
    note: String,
    first_micros: Option<i64>,
    records: u64,
    share: Option<f64>,
    share_of_field: Option<f64>,
}

pub async fn run(session: &Session, describe: &DescribeSource) -> Result<Outcome> {
    let flow = &session.services.flow;
    let catalog = flow.catalog.snapshot();
    let undefined = || ObjectKind::Source.undefined(&describe.name).at(describe.name_position);
    let object = catalog.find(ObjectKind::Source, &describe.name).ok_or_else(undefined)?;
    let Definition::Source(source) = &object.definition else {
        return Err(Error::internal(format!("\"{}\" is not a source", object.name)));
    };
    // What is being read counts up to here.
    flow.feeds.keep_tally(object.id).await?;
    let seen = flow.catalog.seen(object.id).await?;
    let columns = flow.feeds.columns(object.id).map_or_else(|| Arc::new(source.columns.clone()), |live| live.current());
    super::show::answer(self::columns(), table(&lines(&columns, seen))?)
}

/// The columns in their order, then what was rejected, then all of it.
fn lines(columns: &[SourceColumn], seen: Vec<Seen>) -> Vec<Line> {
    let seen: HashMap<Sight, (i64, u64)> = seen.into_iter().map(|seen| (seen.sight, (seen.first_micros, seen.times))).collect();
    let of = |sight: &Sight| seen.get(sight).copied();
    let times = |column: &SourceColumn| of(&Sight::Column(column.name.clone())).map_or(0, |(_, times)| times);
    let mut by_field: HashMap<&str, u64> = HashMap::new();
    for column in columns {
        *by_field.entry(&column.field).or_default() += times(column);
    }
    let all = of(&Sight::Record);
    let of_all = |times: u64| share(times, all.map_or(0, |(_, times)| times));
    let told = columns.iter().map(|column| Line {
        column: Some(column.name.clone()),
        data_type: Some(column.data_type.name()),
        field: Some(column.field.clone()),
        note: describe::note(column),
        first_micros: of(&Sight::Column(column.name.clone())).map(|(first, _)| first),
        records: times(column),
        share: of_all(times(column)),
        share_of_field: share(times(column), by_field[column.field.as_str()]),
    });
    let mut rejects: Vec<Line> = seen
        .iter()
        .filter_map(|(sight, (first, times))| match sight {
            Sight::Reject(kind) => Some(Line {
                note: format!("rejected: {kind}"),
                first_micros: Some(*first),
                records: *times,
                share: of_all(*times),
                ..Line::default()
            }),
            Sight::Record | Sight::Column(_) => None,
        })
        .collect();
    rejects.sort_by(|left, right| (right.records, &left.note).cmp(&(left.records, &right.note)));
    let sum = Line {
        note: "all records".to_string(),
        first_micros: all.map(|(first, _)| first),
        records: all.map_or(0, |(_, times)| times),
        ..Line::default()
    };
    told.chain(rejects).chain([sum]).collect()
}

fn share(times: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| (times as f64 / of as f64 * SHARE_PARTS).round() / SHARE_PARTS)
}

fn table(lines: &[Line]) -> Result<RecordBatch> {
    fn texts<'l>(lines: &'l [Line], text: impl Fn(&'l Line) -> Option<&'l String>) -> ArrayRef {
        Arc::new(StringArray::from_iter(lines.iter().map(text)))
    }
    let arrays: Vec<ArrayRef> = vec![
        texts(lines, |line| line.column.as_ref()),
        texts(lines, |line| line.data_type.as_ref()),
        texts(lines, |line| line.field.as_ref()),
        texts(lines, |line| Some(&line.note)),
        Arc::new(TimestampMicrosecondArray::from_iter(lines.iter().map(|line| line.first_micros)).with_timezone("UTC")),
        Arc::new(Int64Array::from_iter_values(lines.iter().map(|line| line.records as i64))),
        Arc::new(Float64Array::from_iter(lines.iter().map(|line| line.share))),
        Arc::new(Float64Array::from_iter(lines.iter().map(|line| line.share_of_field))),
    ];
    Ok(RecordBatch::try_new(columns(), arrays)?)
}
