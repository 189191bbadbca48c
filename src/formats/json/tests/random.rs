//! Random records, with serde_json as the judge. proptest prints the seed of what fails.

use chrono::DateTime;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::number::{self, Number};
use super::*;

/// A value as the generator knows it, before it is written.
#[derive(Debug, Clone)]
enum Made {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    Array(Vec<Made>),
    Object(Vec<(String, Made)>),
}

fn names() -> impl Strategy<Value = String> {
    const OFTEN: &[&str] = &["a", "A", "b", "B", "x", "x__text", "x__bigint", "é", "É", "", "ΟΔΟΣ", "a_b"];
    const SELDOM: &[&str] =
        &["_offset", "_rest", "_Key", "_weight", "_time", "a\"b\\c", "tab\t", "new\nline", "nul\0", "a,b;{c}()=d", "İ", "e\u{301}"];
    prop_oneof![
        8 => select(OFTEN).prop_map(str::to_string),
        2 => select(SELDOM).prop_map(str::to_string),
        2 => "[a-zA-ZäÖ_]{1,9}",
        1 => (110usize..130).prop_map(|len| "n".repeat(len)),
        2 => any::<String>(),
    ]
}

fn numbers() -> impl Strategy<Value = String> {
    const EDGES: &[&str] = &[
        "0",
        "-0",
        "1e3",
        "1E+2",
        "0.1",
        "-0.0",
        "0e99999999999999999999",
        "9007199254740993",
        "9007199254740993.0",
        "9223372036854775808",
        "-99999999999999999999999999",
        "0.12345678901234567890",
        "0.10000000000000001",
        "0.98765432109876541",
        "5e-324",
        "1e-9",
        "1e400",
        "-1e-400",
        "1e99999999999999999999",
        "1.7976931348623157e308",
    ];
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (-1000i64..1000).prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("JSON has no other numbers", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
        (-100_000i64..100_000, 0u32..6).prop_map(|(n, places)| format!("{:.*}", places as usize, n as f64 / 100.0)),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?",
        // As many digits as a double may have, or not.
        "-?[1-9][0-9]{7,9}\\.[0-9]{6,8}",
        select(EDGES).prop_map(str::to_string),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    const FORMS: &[&str] = &[
        "%FT%TZ",
        "%F %T%.6f+00:00",
        "%FT%T%.3fZ",
        "%FT%T%z",
        "%FT%T+00",
        "%FT%T",
        "%F",
        "%F %T",
        "%FT%T%.9fZ",
        "%a, %d %b %Y %T GMT",
        "%d/%m/%Y",
        "%s",
        "%FT%H:%MZ",
        "%Y%m%dT%H%M%SZ",
        "%FT%T%.6fz",
    ];
    let instants = (0i64..4_102_444_800_000_000, select(FORMS))
        .prop_map(|(micros, form)| DateTime::from_timestamp_micros(micros).unwrap().format(form).to_string());
    prop_oneof![any::<String>(), "[ -~]{0,40}", "[a-z]{0,20}[\"\\\\\u{0}-\u{1f}é😀]?", instants]
}

fn values() -> impl Strategy<Value = Made> {
    let leaf = prop_oneof![
        1 => Just(Made::Null),
        1 => any::<bool>().prop_map(Made::Boolean),
        3 => numbers().prop_map(Made::Number),
        3 => texts().prop_map(Made::Text),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Made::Array),
            prop::collection::vec((names(), inner), 0..4).prop_map(Made::Object),
        ]
    })
}

/// Records, some of which are no JSON. Most streams write all alike; half of the cases do.
fn texts_of_records() -> impl Strategy<Value = Vec<String>> {
    const BROKEN: &[&str] =
        &[r#"{"a":NaN}"#, r#"{"a":-Infinity}"#, r#"{"a":"\ud800"}"#, r#"{"\udc00":1}"#, "{\"a\":\"\u{1}\"}", "{'a':1}", "{", "1", "null"];
    let fields = prop::collection::vec((names(), values()), 0..9);
    let good = (fields, any::<u64>(), any::<bool>())
        .prop_map(|(fields, seed, wild)| if wild { Pen(seed) } else { Pen(0) }.value(&Made::Object(fields)));
    let deep = (150usize..260).prop_map(|levels| format!("{{\"deep\":{}{}}}", "[".repeat(levels), "]".repeat(levels)));
    let record = prop_oneof![200 => good, 2 => select(BROKEN).prop_map(str::to_string), 1 => deep];
    prop::collection::vec(record, 0..20)
}

/// Records as a producer may put them into payloads: one by one, or several in one way or another.
pub fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let ways = prop::collection::vec((1usize..5, 0u8..16), 1..20);
    (texts_of_records(), ways).prop_map(|(records, ways)| {
        let (mut payloads, mut left, mut ways) = (Vec::new(), records.as_slice(), ways.into_iter().cycle());
        while let (false, Some((count, way))) = (left.is_empty(), ways.next()) {
            let (some, others) = left.split_at(if way < 8 { 1 } else { count.min(left.len()) });
            payloads.push(pack(some, way));
            left = others;
        }
        payloads
    })
}

fn pack(records: &[String], way: u8) -> Vec<u8> {
    match way {
        0..8 => records.concat().into_bytes(),
        8 => records.join("\n").into_bytes(),
        9 => format!("\u{feff}{}\r\n", records.join("\r\n")).into_bytes(),
        10 => format!("[{}]", records.join(",")).into_bytes(),
        11 => format!("[{}] [] {}", records.join(" , "), records.join(" ")).into_bytes(),
        12 => gzip(records.join("\n").as_bytes()),
        13 => records.iter().flat_map(|record| gzip(record.as_bytes())).collect(),
        14 => {
            let whole = gzip(records.concat().as_bytes());
            whole[..whole.len() - records.len()].to_vec()
        }
        _ => " \n".repeat(records.len() - 1).into_bytes(),
    }
}

/// Decides between ways to write the same thing; the pen 0 writes everything in the plainest way.
struct Pen(u64);

impl Pen {
    fn choose(&mut self, ways: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % ways
    }

    fn blank(&mut self) -> &'static str {
        ["", "", "", "", " ", "\n", "\t\r\n  "][self.choose(7) as usize]
    }

    fn text(&mut self, text: &str) -> String {
        let mut written = "\"".to_string();
        for c in text.chars() {
            let forced = matches!(c, '"' | '\\' | '\0'..='\u{1f}');
            match (c, self.choose(8)) {
                ('\n', 0..4) => written.push_str("\\n"),
                ('"' | '\\' | '/', 0..4) if forced || c == '/' && self.0 != 0 => written.extend(['\\', c]),
                (c, way) if forced || way == 7 => {
                    c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| written.push_str(&format!("\\u{unit:04X}")));
                }
                _ => written.push(c),
            }
        }
        written.push('"');
        written
    }

    fn value(&mut self, value: &Made) -> String {
        match value {
            Made::Null => "null".to_string(),
            Made::Boolean(value) => value.to_string(),
            Made::Number(literal) => literal.clone(),
            Made::Text(text) => self.text(text),
            Made::Array(elements) => {
                let elements: Vec<String> =
                    elements.iter().map(|element| format!("{}{}{}", self.blank(), self.value(element), self.blank())).collect();
                format!("[{}]", elements.join(","))
            }
            Made::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| {
                        let source = self.value(value);
                        self.member(name, &source)
                    })
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }

    fn member(&mut self, name: &str, source: &str) -> String {
        format!("{}{}{}:{}{source}{}", self.blank(), self.text(name), self.blank(), self.blank(), self.blank())
    }
}

/// Batches of the payloads, cut at random places.
fn cut<'p>(payloads: &'p [Vec<u8>], places: &[Index]) -> Vec<&'p [Vec<u8>]> {
    let mut cuts: Vec<usize> = places.iter().map(|place| place.index(payloads.len() + 1)).chain([0, payloads.len()]).collect();
    cuts.sort();
    cuts.windows(2).map(|cut| &payloads[cut[0]..cut[1]]).collect()
}

fn decoder(flatten: bool) -> JsonDecoder {
    JsonDecoder::new(&[], SchemaMode::Evolve, flatten)
}

/// A reader that begins again with what the catalog has of the columns.
fn restarted(columns: &[SourceColumn], flatten: bool) -> JsonDecoder {
    let stored = serde_json::to_string(columns).unwrap();
    JsonDecoder::new(&serde_json::from_str::<Vec<SourceColumn>>(&stored).unwrap(), SchemaMode::Evolve, flatten)
}

proptest! {
    #[test]
    fn every_value_is_found_again(payloads in payloads(), flatten: bool) {
        prop_assert_eq!(oracle::check(&payloads, flatten), Ok(()));
    }

    #[test]
    fn broken_records_are_rejected_and_no_others(
        payloads in payloads(),
        hits in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>(), 0..4), 1..8),
        flatten: bool,
    ) {
        let mut texts = payloads;
        for (record, place, byte, way) in hits.into_iter().filter(|_| !texts.is_empty()).collect::<Vec<_>>() {
            let text = record.get_mut(&mut texts);
            let place = place.index(text.len() + 1);
            match way {
                0 if place < text.len() => text[place] = byte,
                1 => text.insert(place, byte),
                2 => text.truncate(place),
                _ => text.insert(place, b"{}[]\",:\\0-.e"[byte as usize % 12]),
            }
        }
        prop_assert_eq!(oracle::check(&texts, flatten), Ok(()));
        // What was rejected left nothing behind: without it the rest is the same.
        let outcome = decode(decoder(flatten), &[&texts]);
        let good: BTreeSet<u32> = outcome.records.iter().copied().collect();
        let good: Vec<&Vec<u8>> = good.iter().map(|record| &texts[*record as usize]).collect();
        let alone = decode(decoder(flatten), &[&good]);
        prop_assert_eq!((alone.columns, alone.rows), (outcome.columns, outcome.rows));
    }

    /// Neither do restarts.
    #[test]
    fn batches_make_no_difference(
        payloads in payloads(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        restarts in any::<u64>(),
        flatten: bool,
    ) {
        let whole = decode(decoder(flatten), &[&payloads]);
        let mut parts = Outcome { columns: Vec::new(), rows: Vec::new(), records: Vec::new(), rejects: Vec::new() };
        let mut reader = decoder(flatten);
        let mut first = 0;
        for (nth, batch) in cut(&payloads, &cuts).into_iter().enumerate() {
            if restarts >> nth & 1 == 1 {
                reader = restarted(reader.columns(), flatten);
            }
            if !batch.is_empty() {
                decode_once(&mut reader, &records(batch), first, &mut parts);
            }
            first += batch.len() as u32;
        }
        parts.columns = reader.columns().to_vec();
        prop_assert_eq!(parts, whole);
    }

    /// Partitions that are read side by side agree on the columns before anybody sees a batch (`flow::feed`): then the order in which their
    /// batches were agreed on is all that counts.
    #[test]
    fn partitions_that_agree_on_columns_are_as_one_in_that_order(
        payloads in payloads(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        turns in any::<u64>(),
        hasty in any::<u64>(),
        flatten: bool,
    ) {
        let whole = decode(decoder(flatten), &[&payloads]);
        let mut parts = Outcome { columns: Vec::new(), rows: Vec::new(), records: Vec::new(), rejects: Vec::new() };
        let mut readers = [decoder(flatten), decoder(flatten), decoder(flatten)];
        let mut agreed: Vec<SourceColumn> = Vec::new();
        let mut first = 0;
        for (nth, batch) in cut(&payloads, &cuts).into_iter().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            let reader = &mut readers[(turns >> (2 * nth)) as usize % 3];
            if hasty >> nth & 1 == 1 {
                // Decodes with columns that others have added to, is overtaken, and decodes again.
                reader.decode(&records(batch)).unwrap();
            }
            reader.set_columns(&agreed);
            decode_once(reader, &records(batch), first, &mut parts);
            agreed = reader.columns().to_vec();
            first += batch.len() as u32;
        }
        parts.columns = agreed;
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn numbers_settle_as_the_standard_library_reads_them(literal in numbers()) {
        match number::settle(&literal) {
            Number::BigInt(value) => prop_assert_eq!(value, literal.parse::<i64>().unwrap()),
            Number::Double(value) => prop_assert_eq!(value, literal.parse::<f64>().unwrap()),
            Number::Unheld => prop_assert!(literal.parse::<i64>().is_err()),
        }
        if let Some((value, end)) = number::plain_decimal(&format!("{literal},        "), 0) {
            prop_assert_eq!((value, end), (literal.parse::<f64>().unwrap(), literal.len()));
        }
        if let Some((value, end)) = number::plain_integer(format!("{literal},        ").as_bytes(), 0) {
            prop_assert_eq!((value, end), (literal.parse::<i64>().unwrap(), literal.len()));
        }
    }
}
