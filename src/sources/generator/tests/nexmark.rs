//! What the records of the dataset `nexmark` are.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use arrow::json::ReaderBuilder;
use serde_json::Value;

use super::super::nexmark::{EVENT_TIME_RATE_DEFAULT, Event, Market, Table, rows, schema};
use super::super::record::{Content, RECORD_BYTES_MAX};
use super::super::{Dataset, Recipe, Summary};
use super::made;

const MANY: u64 = 50_000;

fn recipe(table: Option<Table>, seed: u64) -> Recipe {
    Recipe { dataset: Dataset::Nexmark { table, event_time_rate: EVENT_TIME_RATE_DEFAULT }, seed }
}

fn market(seed: u64) -> Market {
    Market { seed, event_time_rate: EVENT_TIME_RATE_DEFAULT }
}

fn payloads(table: Option<Table>, seed: u64, rows: u64) -> Vec<Vec<u8>> {
    made(recipe(table, seed), 0..rows).into_iter().map(|(_, payload)| payload).collect()
}

fn text(payload: &[u8]) -> &str {
    std::str::from_utf8(payload).unwrap()
}

/// FNV-1a over all payloads.
fn checksum(payloads: &[Vec<u8>]) -> u64 {
    payloads.iter().flatten().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The rows as a JSON reader finds them in the payloads.
fn read(table: Table, payloads: &[Vec<u8>]) -> RecordBatch {
    let mut decoder = ReaderBuilder::new(schema(table)).with_batch_size(payloads.len()).build_decoder().unwrap();
    assert_eq!(decoder.decode(&payloads.concat()).unwrap(), payloads.concat().len());
    decoder.flush().unwrap().unwrap()
}

/// People write down what a seed sends. Who changes a dataset on purpose changes the numbers here.
#[test]
fn the_records_of_seed_7_never_change() {
    let bid = &payloads(None, 7, 5)[4];
    let expected = concat!(
        r#"{"event_type":2,"date_time":"2026-01-01T00:00:00.000Z","bid":{"auction":1002,"bidder":1001,"price":705,"channel":"Baidu","#,
        r#""url":"https://www.nexmark.example/nlxte/wembc/efd/item.htm?query=1","date_time":"2026-01-01T00:00:00.000Z","#,
        r#""extra":"hrbtpesjzkhvxvkkgaipwxhhoetozzinpvgadbyybuduswatyitifhdreradxjqqdkbsvzvgnnsl"}}"#,
    );
    assert_eq!(text(bid), expected);
    let sums = [None, Some(Table::Person), Some(Table::Auction), Some(Table::Bid)].map(|table| checksum(&payloads(table, 7, 10_000)));
    assert_eq!(sums, [4_764_525_331_264_215_029, 12_572_066_925_661_525_559, 15_902_147_414_531_761_981, 15_082_570_310_962_940_192]);
}

#[test]
fn the_tables_are_those_of_the_events() {
    let events = payloads(None, 3, MANY);
    for (table, expected) in Table::ALL.iter().zip([1_000, 3_000, 46_000]) {
        let key = format!("\"{}\":{{", table.as_str());
        let nested: Vec<_> = events.iter().filter_map(|event| Some(text(event).split_once(&key)?.1)).collect();
        let rows = payloads(Some(*table), 3, expected);
        assert!(nested.iter().map(|row| row.strip_suffix('}').unwrap()).eq(rows.iter().map(|row| &text(row)[1..])), "{table:?}");
    }
}

#[test]
fn the_columns_are_those_of_the_json() {
    for table in Table::ALL {
        let whole = rows(&market(3), *table, 0..MANY);
        let expected = read(*table, &payloads(Some(*table), 3, whole.num_rows() as u64));
        assert_eq!(whole, expected);
        let parts = [0..1, 1..1, 1..137, 137..40_000, 40_000..MANY].map(|events| rows(&market(3), *table, events));
        assert_eq!(concat_batches(&schema(*table), &parts).unwrap(), whole);
    }
}

#[test]
fn records_are_json_objects_of_three_kinds_in_time() {
    let recipe = recipe(None, 5);
    let mut last = String::new();
    let mut bytes = [0; 3];
    for (number, (content, payload)) in (0u64..).zip(made(recipe, 0..MANY)) {
        let event: Value = serde_json::from_slice(&payload).unwrap();
        let kind = event["event_type"].as_u64().unwrap();
        assert_eq!(kind, [0, 1, 1, 1, 2][(number % 50).min(4) as usize]);
        let table = Table::ALL[kind as usize];
        assert_eq!(content, Content::Row(table));
        assert_eq!(event[table.as_str()]["date_time"], event["date_time"]);
        let time = event["date_time"].as_str().unwrap().to_string();
        assert!(time >= last && payload.len() <= RECORD_BYTES_MAX && !payload.contains(&b'\n'));
        last = time;
        bytes[kind as usize] += payload.len();
    }
    assert_eq!(last, "2026-01-01T00:00:04.999Z");
    let average = [bytes[0] / 1_000, bytes[1] / 3_000, bytes[2] / 46_000];
    assert!((250..400).contains(&average[0]) && (550..750).contains(&average[1]) && (200..380).contains(&average[2]), "{average:?}");
}

#[test]
fn ids_lead_from_one_table_to_another() {
    let (market, mut people, mut auctions, mut bids) = (market(11), 0, 0, [0; 3]);
    for number in 0..MANY {
        match market.event(number) {
            Event::Person(person) => {
                assert_eq!(person.id, 1000 + people);
                people += 1;
            }
            Event::Auction(auction) => {
                assert_eq!(auction.id, 1000 + auctions);
                auctions += 1;
                assert!((1000..1000 + people + 10).contains(&auction.seller) && (10..15).contains(&auction.category));
                assert!(auction.expires > auction.date_time && auction.reserve > auction.initial_bid);
            }
            Event::Bid(bid) => {
                assert!((1000..1000 + people + 10).contains(&bid.bidder) && (1000..1000 + auctions + 10).contains(&bid.auction));
                bids[0] += u64::from(bid.auction == 1000 + (auctions - 1) / 100 * 100);
                bids[1] += u64::from(bid.bidder == 1001 + (people - 1) / 100 * 100);
                bids[2] += u64::from(["Google", "Facebook", "Baidu", "Apple"].contains(&bid.channel.as_str()));
            }
        }
    }
    let in_hundred = bids.map(|hot| hot * 100 / 46_000);
    assert!((50..53).contains(&in_hundred[0]) && (74..77).contains(&in_hundred[1]) && (48..52).contains(&in_hundred[2]), "{in_hundred:?}");
}

#[test]
fn a_channel_keeps_its_url() {
    let bids = rows(&market(7), Table::Bid, 0..MANY);
    let column = |name: &str| bids.column_by_name(name).unwrap().as_string::<i32>().iter().flatten().collect::<Vec<_>>();
    let urls: std::collections::BTreeMap<_, _> = column("channel").into_iter().zip(column("url")).collect();
    assert!(column("channel").iter().zip(column("url")).all(|(channel, url)| urls[channel] == url));
    let named = urls.values().filter(|url| url.contains("&channel_id=")).count() * 100 / urls.len();
    assert!((88..92).contains(&named), "{named} in 100 name their channel");
}

#[test]
fn a_seed_and_a_rate_give_their_own_records() {
    assert_eq!(payloads(None, 7, 2_000), payloads(None, 7, 2_000));
    let same = payloads(None, 7, 2_000).into_iter().zip(payloads(None, 8, 2_000)).filter(|(seven, eight)| seven == eight).count();
    assert_eq!(same, 0);
    let times = |event_time_rate| {
        let bids = rows(&Market { seed: 7, event_time_rate }, Table::Bid, 0..1_000);
        bids.column_by_name("date_time").unwrap().as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(bids.num_rows() - 1)
    };
    assert_eq!(times(1) - times(1_000_000), 999_000_000);
}

#[test]
fn the_summary_counts_by_table() {
    let summary = Summary::of(&recipe(None, 7), 0, 5_000);
    assert_eq!((summary.valid, summary.broken, summary.types.len()), (5_000, 0, 3));
    assert_eq!((summary.types["person"], summary.types["auction"], summary.types["bid"]), (100, 300, 4_600));
    let bids = Summary::of(&recipe(Some(Table::Bid), 7), 0, 4_600);
    assert_eq!(bids.types.len(), 1);
}

#[test]
fn numbers_have_no_end() {
    for table in [None, Some(Table::Person), Some(Table::Auction), Some(Table::Bid)] {
        for (_, payload) in made(recipe(table, 7), u64::MAX - 50..u64::MAX) {
            assert!(serde_json::from_slice::<Value>(&payload).is_ok());
        }
    }
    let far = rows(&market(7), Table::Auction, 1 << 55..(1 << 55) + 50);
    assert!(far.column(0).as_primitive::<Int64Type>().value(0) > 1 << 50);
}
