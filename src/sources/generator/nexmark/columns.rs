//! The tables as Arrow columns, straight from the events.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::{Auction, Bid, Event, Market, Person, Table, numbering};

/// The columns of a table, in the order in which its JSON has them. Each may be null as far as the schema says, for so it is with any source.
pub fn schema(table: Table) -> SchemaRef {
    let (number, text, time) = (DataType::Int64, DataType::Utf8, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    let columns = match table {
        Table::Person => vec![
            ("id", number),
            ("name", text.clone()),
            ("email_address", text.clone()),
            ("credit_card", text.clone()),
            ("city", text.clone()),
            ("state", text.clone()),
            ("date_time", time),
            ("extra", text),
        ],
        Table::Auction => vec![
            ("id", number.clone()),
            ("item_name", text.clone()),
            ("description", text.clone()),
            ("initial_bid", number.clone()),
            ("reserve", number.clone()),
            ("date_time", time.clone()),
            ("expires", time),
            ("seller", number.clone()),
            ("category", number),
            ("extra", text),
        ],
        Table::Bid => vec![
            ("auction", number.clone()),
            ("bidder", number.clone()),
            ("price", number),
            ("channel", text.clone()),
            ("url", text.clone()),
            ("date_time", time),
            ("extra", text),
        ],
    };
    Arc::new(Schema::new(columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect::<Vec<_>>()))
}

/// The rows of `table` among these events, in their order.
pub fn rows(market: &Market, table: Table, events: Range<u64>) -> RecordBatch {
    let made = events.filter(|event| numbering::table_of(*event) == table).map(|event| market.event(event));
    let columns = match table {
        Table::Person => people(&made.filter_map(person).collect::<Vec<_>>()),
        Table::Auction => auctions(&made.filter_map(auction).collect::<Vec<_>>()),
        Table::Bid => bids(&made.filter_map(bid).collect::<Vec<_>>()),
    };
    RecordBatch::try_new(schema(table), columns).expect("the columns are those of the schema")
}

fn people(rows: &[Person]) -> Vec<ArrayRef> {
    vec![
        numbers(rows, |row| row.id),
        texts(rows, |row| &row.name),
        texts(rows, |row| &row.email_address),
        texts(rows, |row| &row.credit_card),
        texts(rows, |row| row.city),
        texts(rows, |row| row.state),
        times(rows, |row| row.date_time),
        texts(rows, |row| &row.extra),
    ]
}

fn auctions(rows: &[Auction]) -> Vec<ArrayRef> {
    vec![
        numbers(rows, |row| row.id),
        texts(rows, |row| &row.item_name),
        texts(rows, |row| &row.description),
        numbers(rows, |row| row.initial_bid),
        numbers(rows, |row| row.reserve),
        times(rows, |row| row.date_time),
        times(rows, |row| row.expires),
        numbers(rows, |row| row.seller),
        numbers(rows, |row| row.category),
        texts(rows, |row| &row.extra),
    ]
}

fn bids(rows: &[Bid]) -> Vec<ArrayRef> {
    vec![
        numbers(rows, |row| row.auction),
        numbers(rows, |row| row.bidder),
        numbers(rows, |row| row.price),
        texts(rows, |row| &row.channel),
        texts(rows, |row| &row.url),
        times(rows, |row| row.date_time),
        texts(rows, |row| &row.extra),
    ]
}

fn numbers<R>(rows: &[R], of: impl Fn(&R) -> u64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| of(row) as i64)))
}

fn texts<'a, R>(rows: &'a [R], of: impl Fn(&'a R) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
}

/// From milliseconds.
fn times<R>(rows: &[R], of: impl Fn(&R) -> i64) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| of(row) * 1000)).with_timezone("UTC"))
}

fn person(event: Event) -> Option<Person> {
    match event {
        Event::Person(person) => Some(person),
        _ => None,
    }
}

fn auction(event: Event) -> Option<Auction> {
    match event {
        Event::Auction(auction) => Some(auction),
        _ => None,
    }
}

fn bid(event: Event) -> Option<Bid> {
    match event {
        Event::Bid(bid) => Some(bid),
        _ => None,
    }
}
