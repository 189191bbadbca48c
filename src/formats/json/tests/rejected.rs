//! Records that are no JSON objects, and that nothing remains of them.

use super::super::{DEPTH_MAX, RECORD_BYTES_MAX};
use super::*;

fn reason(record: &[u8]) -> String {
    let good: &[u8] = br#"{"a":"x","b":1}"#;
    let outcome = decode(evolving(), &[&[good, record, good]]);
    assert_eq!(outcome.records, [0, 2]);
    assert_eq!(outcome.rows, [(); 2].map(|()| row(&[("a", "x"), ("b", "1")])), "nothing remains of a rejected record");
    assert_eq!(told(&outcome.columns), ["a text", "b bigint"]);
    assert_eq!(outcome.rejects[0].record, 1);
    outcome.rejects[0].reason.clone()
}

#[test]
fn reasons_tell_what_was_expected_and_where() {
    for (record, expected) in [
        ("", "the record is empty"),
        (" \n", "the record is empty"),
        ("[1]", "the record is not a JSON object: a number begins at byte 2"),
        ("[[{}]]", "the record is not a JSON object: an array begins at byte 2"),
        ("[]", "the array has no records"),
        ("\u{feff} ", "the record is empty"),
        (" 1", "the record is not a JSON object: a number begins at byte 2"),
        ("\"{}\"", "the record is not a JSON object: a string begins at byte 1"),
        ("null", "the record is not a JSON object: something else begins at byte 1"),
        ("{", "malformed JSON: expected a field name or a closing brace at byte 2"),
        ("{\"a\":\"y\",}", "malformed JSON: expected a field name at byte 10"),
        ("{\"a\":\"y\" \"b\":1}", "malformed JSON: expected a comma or a closing brace at byte 10"),
        ("{,\"a\":1}", "malformed JSON: expected a field name or a closing brace at byte 2"),
        ("{\"a\":\"y\",\"b\":1", "malformed JSON: expected a comma or a closing brace at byte 15"),
        ("{\"a\":\"y\",\"b\":01}", "malformed JSON: expected a comma or a closing brace at byte 15"),
        ("{\"a\":\"y\",\"b\":-}", "malformed JSON: expected a digit at byte 15"),
        ("{\"a\":\"y\",\"b\":1.}", "malformed JSON: expected a digit at byte 16"),
        ("{\"a\":\"y\",\"b\":+1}", "malformed JSON: expected a value at byte 14"),
        ("{\"a\":\"y\",\"b\":nul}", "malformed JSON: expected a value at byte 14"),
        ("{\"a\":\"y\"}}", "malformed JSON: expected another record or the end of the payload at byte 10"),
        ("{\"a\":NaN}", "malformed JSON: expected a value at byte 6"),
        ("{\"a\":-Infinity}", "malformed JSON: expected a digit at byte 7"),
        ("{\"a\" 1}", "malformed JSON: expected a colon at byte 6"),
        ("{\"a\":[1 2]}", "malformed JSON: expected a comma or a closing bracket at byte 9"),
        ("{\"c\":[1,]}", "malformed JSON: expected a value at byte 9"),
        ("{\"a\":\"y", "malformed JSON: expected the end of a string at byte 8"),
        ("{\"a\":\"y\ny\"}", "malformed JSON: a string has a bare control character at byte 8"),
        ("{\"c\":\"\\ud800\"}", "malformed JSON: a string has an escape that is no character at byte 7"),
        ("{\"a\":\"y\\udc00\"}", "malformed JSON: a string has an escape that is no character at byte 8"),
        ("{\"a\":\"\\ud800\\u0041\"}", "malformed JSON: a string has an escape that is no character at byte 7"),
        ("{\"a\":\"\\x\"}", "malformed JSON: a string has an escape that is no character at byte 7"),
        ("{\"a\":\"\\u00g0\"}", "malformed JSON: a string has an escape that is no character at byte 7"),
    ] {
        assert_eq!(reason(record.as_bytes()), expected, "{record}");
    }
}

#[test]
fn text_must_be_utf8_record_by_record() {
    assert_eq!(reason(b"{\"a\":\"\xff\"}"), "invalid UTF-8 at byte 7");
    // Two halves of one character, in two records: together they are UTF-8, apart they are not.
    let outcome = decode(evolving(), &[&[&b"{\"a\":\"\xc3"[..], &b"\xa9\"}"[..], b"{}"]]);
    assert_eq!(outcome.records, [2]);
    assert_eq!(outcome.rejects[0].reason, "invalid UTF-8 at byte 7");
    assert_eq!(outcome.rejects[1].reason, "invalid UTF-8 at byte 1");
}

#[test]
fn columns_of_a_rejected_record_are_not_found() {
    assert!(reason(br#"{"new":1,"a":1,"A":2,"a":[],"also":{"new":1},"broken"}"#).starts_with("malformed"));
    assert!(reason(br#"{"a":"y","b":"sibling","#).starts_with("malformed"));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let outcome = decode(evolving(), &[&["\u{feff} {\"a\":1} "]]);
    assert_eq!(outcome.rows, [row(&[("a", "1")])]);
}

#[test]
fn depth_and_length_are_limited() {
    let nested = |levels: usize| format!("{{\"c\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert_eq!(decode(evolving(), &[&[nested(DEPTH_MAX)]]).rejects, []);
    assert_eq!(reason(nested(DEPTH_MAX + 1).as_bytes()), "nested deeper than 200 levels at byte 205");
    let objects = format!("{}1{}", "{\"a\":".repeat(DEPTH_MAX + 1), "}".repeat(DEPTH_MAX + 1));
    for flatten in [false, true] {
        let outcome = decode(JsonDecoder::new(&[], SchemaMode::Evolve, flatten), &[&[&objects]]);
        assert!(outcome.rejects[0].reason.starts_with("nested deeper than 200 levels"));
    }
    let longest = format!("{{\"a\":\"x\"{}}}", " ".repeat(RECORD_BYTES_MAX - 9));
    assert_eq!(decode(evolving(), &[&[&longest]]).rejects, []);
    let reason = reason(format!(" {longest}").as_bytes());
    assert_eq!(reason, "the record has 8388609 bytes, more than the 8388608 that are read");
}

#[test]
fn names_that_grow_while_flattening_are_bounded() {
    let fields: Vec<String> = (0..400_000).map(|n| format!("\"{n}\":1")).collect();
    let record = format!("{{\"_key\":1,\"{}\":{{{}}}}}", "n".repeat(126), fields.join(","));
    let outcome = decode(JsonDecoder::new(&[], SchemaMode::Evolve, true), &[&[&record]]);
    assert_eq!(outcome.rejects[0].reason, "column \"_rest\" has no room for the fields that can be no columns");
}
