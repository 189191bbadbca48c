//! The records of the drift test, kind by kind, and what docs/sql/create_source.md says of each.

use std::collections::BTreeMap;
use std::io::Write;

use Case::{Deep, Gzip, Long, One, Rejected, Several, TooDeep};

/// Levels that a record may have, itself included.
const LEVELS_MAX: usize = 200;
/// Near to what Kinesis takes as one record.
const LONG_TEXT_BYTES: usize = 900_000;

/// The values of a row that are not null, as psql shows them, by column.
pub type Row = BTreeMap<String, String>;

/// What is sent, and what becomes of it. Ids grow from case to case.
pub enum Case {
    /// A record with this id and these fields, and the cells of its row beside the id.
    One(usize, &'static str, &'static [(&'static str, &'static str)]),
    /// A payload, and the ids of the records in it, which have nothing else.
    Several(&'static str, &'static [usize]),
    /// The same, packed.
    Gzip(&'static str, &'static [usize]),
    /// A text of `LONG_TEXT_BYTES`.
    Long(usize),
    /// A record of `LEVELS_MAX` levels.
    Deep(usize),
    /// One more.
    TooDeep(usize),
    /// A payload that cannot be read, and why.
    Rejected(&'static [u8], &'static str),
}

/// One after the other; a stage is in the table before the next is sent.
pub const STAGES: &[&[Case]] = &[PLAIN, NUMBERS_AND_NAMES, BY_TURNS, PAYLOADS];

/// In the stream before the source is made. No field has whole and fractional numbers: a look would make one column of them.
const PLAIN: &[Case] = &[
    One(
        1,
        r#""n":7,"d":0.5,"t":"word","at":"2026-01-31T23:59:59Z","j":{"k":[1, 2]},"ok":true"#,
        &[("n", "7"), ("d", "0.5"), ("t", "word"), ("at", "2026-01-31 23:59:59+00"), ("j", r#"{"k":[1, 2]}"#), ("ok", "t")],
    ),
    One(2, r#""turns":1"#, &[("turns", "1")]),
];

const NUMBERS_AND_NAMES: &[Case] = &[
    // Whole numbers beyond 64 bits.
    One(10, r#""n":9223372036854775807"#, &[("n", "9223372036854775807")]),
    One(11, r#""n":9223372036854775808"#, &[("n__text", "9223372036854775808")]),
    One(12, r#""big":-9223372036854775809"#, &[("big", "-9223372036854775809")]),
    // Digits that a double would lose, and those that it keeps.
    One(13, r#""d":1.10"#, &[("d", "1.1")]),
    One(14, r#""d":9007199254740993.0"#, &[("d__text", "9007199254740993.0")]),
    One(15, r#""d":3.14159265358979323846"#, &[("d__text", "3.14159265358979323846")]),
    One(16, r#""d":1e400"#, &[("d__text", "1e400")]),
    One(17, r#""d":-0.0"#, &[("d", "-0")]),
    One(18, r#""d":9007199254740993"#, &[("d__bigint", "9007199254740993")]),
    One(19, r#""d":3"#, &[("d", "3")]),
    // One name twice: spelled the same, with escapes, in another case.
    One(20, r#""t":"a","t":"b","T":5"#, &[("t", "a"), ("_rest", r#"{"t":"b","T":5}"#)]),
    One(21, r#""twice":1,"twice":2,"\u0074wice":"3""#, &[("twice", "1"), ("_rest", r#"{"twice":[2,"3"]}"#)]),
    One(22, r#""t":null,"t":"c""#, &[("t", "c")]),
    One(23, r#""Mixed":1,"mixed":2"#, &[("mixed", "1"), ("_rest", r#"{"mixed":2}"#)]),
    One(24, r#""MIXED":3"#, &[("mixed", "3")]),
    // Names that can be no column, and some that look so.
    One(25, r#""":1"#, &[("_rest", r#"{"":1}"#)]),
    One(26, r#""_offset":1,"_REST":2,"_key":null"#, &[("_rest", r#"{"_offset":1,"_REST":2}"#)]),
    One(27, r#""a\"b":1,"a b":2,"a.b":3,"a,b":4,"select":5"#, &[("a\"b", "1"), ("a b", "2"), ("a.b", "3"), ("a,b", "4"), ("select", "5")]),
    One(28, r#""a\nb":1"#, &[("_rest", r#"{"a\nb":1}"#)]),
    One(29, r#""n__text":"mine""#, &[("_rest", r#"{"n__text":"mine"}"#)]),
];

const BY_TURNS: &[Case] = &[
    One(40, r#""turns":"one""#, &[("turns__text", "one")]),
    One(41, r#""turns":{"k":1,"k":2}"#, &[("turns__json", r#"{"k":1,"k":2}"#)]),
    One(42, r#""turns":[1,"2",null]"#, &[("turns__json", r#"[1,"2",null]"#)]),
    One(43, r#""turns":true"#, &[("turns__boolean", "t")]),
    One(44, r#""turns":0.5"#, &[("turns__double", "0.5")]),
    One(45, r#""turns":2"#, &[("turns", "2")]),
    One(46, r#""turns":null"#, &[]),
    One(47, r#""turns":"2026-01-31T00:00:00Z""#, &[("turns__text", "2026-01-31T00:00:00Z")]),
    // One time in many spellings.
    One(51, r#""at":"2026-01-31 23:59:59Z""#, &[("at", "2026-01-31 23:59:59+00")]),
    One(52, r#""at":"2026-01-31T23:59:59.123456Z""#, &[("at", "2026-01-31 23:59:59.123456+00")]),
    One(53, r#""at":"2026-01-31T23:59:59+01:00""#, &[("at", "2026-01-31 22:59:59+00")]),
    One(54, r#""at":"2026-01-31T23:59:59-0100""#, &[("at", "2026-02-01 00:59:59+00")]),
    One(55, r#""at":"2026-01-31T23:59:59""#, &[("at__text", "2026-01-31T23:59:59")]),
    One(56, r#""at":"2026-01-31""#, &[("at__text", "2026-01-31")]),
    One(57, r#""at":"2026-01-31T23:59:59.123456789Z""#, &[("at__text", "2026-01-31T23:59:59.123456789Z")]),
    One(58, r#""at":"2026-01-31T23:59:60Z""#, &[("at__text", "2026-01-31T23:59:60Z")]),
    One(59, r#""at":"Sat, 31 Jan 2026 23:59:59 GMT""#, &[("at__text", "Sat, 31 Jan 2026 23:59:59 GMT")]),
    One(60, r#""at":"20260131T235959Z""#, &[("at__text", "20260131T235959Z")]),
    One(61, r#""at":1769903999"#, &[("at__bigint", "1769903999")]),
];

const PAYLOADS: &[Case] = &[
    Rejected(b"{\"id\":70,\"t\":\"\xff\"}", "invalid UTF-8 at byte 15"),
    Rejected(b"{\"id\":71,\"d\":NaN}", "malformed JSON: expected a value at byte 14"),
    Rejected(b"{\"id\":72,\"d\":-Infinity}", "malformed JSON: expected a digit at byte 15"),
    One(73, r#""d":"NaN""#, &[("d__text", "NaN")]),
    Rejected(b"{\"id\":74} {\"id\":75", "malformed JSON: expected a comma or a closing brace at byte 19"),
    Rejected(b"", "the record is empty"),
    Rejected(b" \n", "the record is empty"),
    Rejected(b"[]", "the array has no records"),
    Rejected(b"7", "the record is not a JSON object: a number begins at byte 1"),
    Several("\u{feff}{\"id\":80}", &[80]),
    Several("{\"id\":81}\n{\"id\":82}\n", &[81, 82]),
    Several("{\"id\":83}{\"id\":84}", &[83, 84]),
    Several("[{\"id\":85},{\"id\":86}]", &[85, 86]),
    Gzip("{\"id\":87}\n[{\"id\":88}]", &[87, 88]),
    Rejected(b"\x1f\x8b\x08", "malformed gzip: it is cut off"),
    Long(90),
    Deep(91),
    TooDeep(92),
];

impl Case {
    pub fn payload(&self) -> Vec<u8> {
        match self {
            One(id, fields, _) => format!("{{\"id\":{id},{fields}}}").into_bytes(),
            Several(payload, _) => payload.as_bytes().to_vec(),
            Gzip(payload, _) => gzip(payload),
            Long(id) => format!("{{\"id\":{id},\"t\":\"{}\"}}", long_text()).into_bytes(),
            Deep(id) => format!("{{\"id\":{id},\"j\":{}}}", nested(LEVELS_MAX - 1)).into_bytes(),
            TooDeep(id) => format!("{{\"id\":{id},\"j\":{}}}", nested(LEVELS_MAX)).into_bytes(),
            Rejected(payload, _) => payload.to_vec(),
        }
    }

    pub fn rows(&self) -> Vec<Row> {
        match self {
            One(id, _, cells) => vec![row(*id, cells)],
            Several(_, ids) | Gzip(_, ids) => ids.iter().map(|id| row(*id, &[])).collect(),
            Long(id) => vec![row(*id, &[("t", &long_text())])],
            Deep(id) => vec![row(*id, &[("j", &nested(LEVELS_MAX - 1))])],
            TooDeep(_) | Rejected(..) => vec![],
        }
    }

    /// Why it is rejected, and the bytes that are kept.
    pub fn reject(&self) -> Option<[Option<String>; 2]> {
        let reason = match self {
            Rejected(_, reason) => *reason,
            TooDeep(_) => "nested deeper than 200 levels at byte 213",
            _ => return None,
        };
        let digits: String = self.payload().iter().map(|byte| format!("{byte:02x}")).collect();
        Some([Some(reason.to_string()), Some(format!("\\x{digits}"))])
    }
}

fn long_text() -> String {
    "é".repeat(LONG_TEXT_BYTES / "é".len())
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).expect("a vector takes all");
    packer.finish().expect("a vector takes all")
}

/// The row of a record with this id and, beside it, these cells.
pub fn row(id: usize, cells: &[(&str, &str)]) -> Row {
    let id = ("id".to_string(), id.to_string());
    cells.iter().map(|(column, value)| (column.to_string(), value.to_string())).chain([id]).collect()
}
