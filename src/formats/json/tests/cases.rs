//! The cases of `docs/sql/create_source.md`, one after the other: what becomes of each, in a row, in `_rest` or in the rejects. What is about
//! payloads that hold several records is in `payloads`.

use super::super::COLUMNS_MAX;
use super::*;

/// Records that are all taken, the columns they find, and the cells of the last one.
#[track_caller]
fn taken(lines: &[&str], columns: &[&str], last: &[(&str, &str)]) {
    let outcome = decode(evolving(), &[lines]);
    assert_eq!(outcome.rejects, []);
    assert_eq!(told(&outcome.columns), columns);
    assert_eq!(outcome.rows.last(), Some(&row(last)));
    let singly: Vec<_> = lines.chunks(1).collect();
    assert_eq!(decode(evolving(), &singly), outcome, "batches make no difference");
}

/// A record that is rejected, with its bytes, for this reason.
#[track_caller]
fn rejected(record: &[u8], reason: &str) {
    let outcome = decode(evolving(), &[&[record]]);
    assert_eq!((outcome.rows.len(), outcome.columns.len()), (0, 0));
    assert!(outcome.rejects[0].reason.contains(reason), "{}", outcome.rejects[0].reason);
    assert_eq!(outcome.rejects[0].part, None);
}

#[test]
fn whole_numbers() {
    taken(&[r#"{"x":9223372036854775807}"#], &["x bigint"], &[("x", "9223372036854775807")]);
    taken(&[r#"{"x":9223372036854775808}"#], &["x text"], &[("x", "9223372036854775808")]);
    taken(&[r#"{"x":1}"#, r#"{"x":-9223372036854775809}"#], &["x bigint", "x__text text"], &[("x__text", "-9223372036854775809")]);
    taken(&[r#"{"x":-0}"#], &["x bigint"], &[("x", "0")]);
    taken(&[r#"{"x":0.5}"#, r#"{"x":-0}"#], &["x double precision"], &[("x", "0.0")]);
    taken(
        &[r#"{"x":0.5}"#, r#"{"x":9007199254740993}"#],
        &["x double precision", "x__bigint bigint"],
        &[("x__bigint", "9007199254740993")],
    );
}

#[test]
fn fractions() {
    taken(&[r#"{"x":-0.0}"#], &["x double precision"], &[("x", "-0.0")]);
    taken(&[r#"{"x":1E+2}"#], &["x double precision"], &[("x", "100.0")]);
    taken(&[r#"{"x":1.10}"#], &["x double precision"], &[("x", "1.1")]);
    // What a double was written as, with 16 or 17 digits, is that double.
    taken(&[r#"{"x":0.30000000000000004}"#], &["x double precision"], &[("x", "0.30000000000000004")]);
    taken(&[r#"{"x":0.10000000000000001}"#], &["x double precision"], &[("x", "0.1")]);
    taken(&[r#"{"x":1234567890123.456}"#], &["x double precision"], &[("x", "1234567890123.456")]);
    // What no double writes so would lose digits.
    for literal in ["9007199254740993.0", "12345678901234.567", "0.98765432109876541", "0.1234567890123456789", "3.14159265358979323846"] {
        taken(&[&format!(r#"{{"x":{literal}}}"#)], &["x text"], &[("x", literal)]);
    }
    taken(&[r#"{"x":0.5}"#, r#"{"x":12345678901234.567}"#], &["x double precision", "x__text text"], &[("x__text", "12345678901234.567")]);
    for literal in ["1e400", "-1e400", "1e-400", "1e99999999999999999999", "1e-99999999999999999999"] {
        taken(&[&format!(r#"{{"x":{literal}}}"#)], &["x text"], &[("x", literal)]);
    }
    taken(&[r#"{"x":0e99999999999999999999}"#], &["x double precision"], &[("x", "0.0")]);
}

#[test]
fn what_is_no_number() {
    for value in ["NaN", "Infinity", "-Infinity", "-NaN", "01", "+1", ".5", "1.", "0x10", "1_000"] {
        rejected(format!(r#"{{"x":{value}}}"#).as_bytes(), "malformed JSON");
    }
    taken(&[r#"{"x":"NaN"}"#], &["x text"], &[("x", "NaN")]);
}

#[test]
fn one_name_twice() {
    taken(&[r#"{"a":1,"a":2,"a":"3"}"#], &["a bigint", "_rest json"], &[("a", "1"), ("_rest", r#"{"a":[2,"3"]}"#)]);
    taken(&[r#"{"a":1,"\u0061":2}"#], &["a bigint", "_rest json"], &[("a", "1"), ("_rest", r#"{"a":2}"#)]);
    taken(&[r#"{"a":1,"A":2}"#, r#"{"A":3}"#], &["a bigint", "_rest json"], &[("a", "3")]);
    taken(&[r#"{"a":null,"a":2}"#], &["a bigint"], &[("a", "2")]);
    taken(&[r#"{"o":{"a":1,"a":2,"A":3}}"#], &["o json"], &[("o", r#"{"a":1,"a":2,"A":3}"#)]);
}

#[test]
fn text_that_is_none() {
    rejected(b"{\"a\":\"\xff\"}", "invalid UTF-8 at byte 7");
    rejected(b"{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8");
    rejected(b"{\"\xc0\xaf\":1}", "invalid UTF-8");
    for record in [r#"{"a":"\ud800"}"#, r#"{"a":["\udfff"]}"#, r#"{"\ud800":1}"#, r#"{"a":"\ud800\ud800"}"#] {
        rejected(record.as_bytes(), "an escape that is no character");
    }
    taken(&[r#"{"a":"\ud83d\ude00\u0000"}"#], &["a text"], &[("a", "😀\0")]);
}

#[test]
fn long_texts() {
    let text = "é".repeat(1 << 20);
    taken(&[&format!(r#"{{"a":"{text}"}}"#)], &["a text"], &[("a", &text)]);
}

#[test]
fn many_fields() {
    let fields = |numbers: std::ops::Range<usize>| numbers.map(|n| format!(r#""f{n}":{n}"#)).collect::<Vec<_>>().join(",");
    let outcome = decode(evolving(), &[&[format!("{{{}}}", fields(0..COLUMNS_MAX - 1)), format!("{{{}}}", fields(0..2100))]]);
    assert_eq!(outcome.columns.len(), COLUMNS_MAX);
    assert_eq!(outcome.columns.last().map(|column| column.name.as_str()), Some("_rest"));
    assert_eq!(outcome.rows[1]["_rest"], format!("{{{}}}", fields(COLUMNS_MAX - 1..2100)));
}

#[test]
fn a_new_field_in_every_record() {
    let lines: Vec<String> = (0..2 * COLUMNS_MAX).map(|n| format!(r#"{{"id":{n},"k{n}":"v"}}"#)).collect();
    let batches: Vec<&[String]> = lines.chunks(700).collect();
    let outcome = decode(evolving(), &batches);
    assert_eq!(outcome.columns.len(), COLUMNS_MAX);
    for (n, cells) in outcome.rows.iter().enumerate() {
        let (id, name) = (n.to_string(), format!("k{n}"));
        match n < COLUMNS_MAX - 2 {
            true => assert_eq!(*cells, row(&[("id", &id), (&name, "v")])),
            false => assert_eq!(*cells, row(&[("id", &id), ("_rest", &format!(r#"{{"{name}":"v"}}"#))])),
        }
    }
}

#[test]
fn depth() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    taken(&[&nested(200)], &["a json"], &[("a", &nested(200)[5..nested(200).len() - 1])]);
    rejected(nested(201).as_bytes(), "nested deeper than 200 levels");
    rejected(nested(100_000).as_bytes(), "nested deeper than 200 levels");
}

#[test]
fn names_that_can_be_no_columns() {
    let (just, long) = ("n".repeat(127), "n".repeat(128));
    taken(&[r#"{"":1}"#], &["_rest json"], &[("_rest", r#"{"":1}"#)]);
    taken(&[r#"{"o":{"":1}}"#], &["o json"], &[("o", r#"{"":1}"#)]);
    taken(&[r#"{"a\nb":1}"#], &["_rest json"], &[("_rest", r#"{"a\nb":1}"#)]);
    taken(&[r#"{"a\u0000":1}"#], &["_rest json"], &[("_rest", r#"{"a\u0000":1}"#)]);
    taken(&[&format!(r#"{{"{long}":1}}"#)], &["_rest json"], &[("_rest", &format!(r#"{{"{long}":1}}"#))]);
    taken(&[&format!(r#"{{"{just}":1}}"#)], &[&format!("{just} bigint")], &[(&just, "1")]);
    for name in ["_partition", "_offset", "_arrival_time", "_key", "_rest", "_REST"] {
        taken(&[&format!(r#"{{"{name}":1}}"#)], &["_rest json"], &[("_rest", &format!(r#"{{"{name}":1}}"#))]);
    }
}

#[test]
fn names_that_want_quotes() {
    for name in [
        "a b",
        "a,b",
        "a;b",
        "a.b",
        "{a}",
        "(a)",
        "a=b",
        "select",
        "1",
        "a'b",
        "é",
        "日本",
        "a\u{200b}",
        "$a",
        "__proto__",
        "_weight",
        "_time",
    ] {
        taken(&[&format!(r#"{{"{name}":1}}"#)], &[&format!("{name} bigint")], &[(name, "1")]);
    }
    taken(&[r#"{"a\"b\\c":1}"#], &["a\"b\\c bigint"], &[("a\"b\\c", "1")]);
}

#[test]
fn one_field_of_all_types_by_turns() {
    let lines =
        [r#"{"x":1}"#, r#"{"x":"t"}"#, r#"{"x":{"k":1}}"#, r#"{"x":[1,"2",null,{}]}"#, r#"{"x":true}"#, r#"{"x":0.5}"#, r#"{"x":null}"#];
    let columns = ["x bigint", "x__text text", "x__json json", "x__boolean boolean", "x__double double precision"];
    let turns: Vec<&str> = lines.iter().chain(&lines).copied().collect();
    let outcome = decode(evolving(), &[&turns]);
    assert_eq!(told(&outcome.columns), columns);
    let cells = [
        ("x", "1"),
        ("x__text", "t"),
        ("x__json", r#"{"k":1}"#),
        ("x__json", r#"[1,"2",null,{}]"#),
        ("x__boolean", "true"),
        ("x__double", "0.5"),
    ];
    let rows: Vec<Row> = cells.iter().map(|cell| row(&[*cell])).chain([row(&[])]).collect();
    assert_eq!(outcome.rows, [rows.clone(), rows].concat());
}

#[test]
fn times_in_many_spellings() {
    for (text, cell) in [
        ("2026-01-31T23:59:59Z", "2026-01-31T23:59:59Z"),
        ("2026-01-31 23:59:59Z", "2026-01-31T23:59:59Z"),
        ("2026-01-31T23:59:59.123456Z", "2026-01-31T23:59:59.123456Z"),
        ("2026-01-31T23:59:59.123456000Z", "2026-01-31T23:59:59.123456Z"),
        ("2026-01-31T23:59:59+01:00", "2026-01-31T22:59:59Z"),
        ("2026-01-31T23:59:59+0100", "2026-01-31T22:59:59Z"),
        ("2026-01-31T23:59:59-01", "2026-02-01T00:59:59Z"),
    ] {
        taken(&[&format!(r#"{{"x":"{text}"}}"#)], &["x timestamp with time zone"], &[("x", cell)]);
    }
    for text in [
        "2026-01-31T23:59:59",
        "2026-01-31",
        "2026-01-31T23:59Z",
        "2026-01-31T23:59:60Z",
        "2026-01-31T23:59:59.123456789Z",
        "20260131T235959Z",
        "Sat, 31 Jan 2026 23:59:59 GMT",
        "31/01/2026 23:59",
        "2026-W05-6",
        "1769903999",
        "2026-01-31T23:59:59 Europe/Berlin",
    ] {
        taken(&[&format!(r#"{{"x":"{text}"}}"#)], &["x text"], &[("x", text)]);
    }
    taken(&[r#"{"x":1769903999}"#], &["x bigint"], &[("x", "1769903999")]);
    taken(
        &[r#"{"x":"2026-01-31T23:59:59Z"}"#, r#"{"x":"2026-01-31"}"#],
        &["x timestamp with time zone", "x__text text"],
        &[("x__text", "2026-01-31")],
    );
}

#[test]
fn nothing_but_nulls_and_a_field_that_comes_back() {
    taken(&[r#"{"a":null,"b":null}"#], &[], &[]);
    let gap: Vec<String> = std::iter::once(r#"{"a":1,"b":"x"}"#.to_string())
        .chain((0..5000).map(|n| format!(r#"{{"b":"{n}"}}"#)))
        .chain([r#"{"a":2}"#.to_string()])
        .collect();
    let batches: Vec<&[String]> = gap.chunks(1000).collect();
    let outcome = decode(evolving(), &batches);
    assert_eq!(told(&outcome.columns), ["a bigint", "b text"]);
    assert_eq!(outcome.rows.last(), Some(&row(&[("a", "2")])));
}

#[test]
fn a_rejected_record_is_rejected_with_all_its_bytes() {
    let columns = declared(&[("x", SqlType::BigInt)]);
    let outcome = decode(JsonDecoder::new(&columns, SchemaMode::Evolve, false), &[&[" {\"x\":\"no\"} \n"]]);
    assert_eq!(outcome.rejects[0].part, None, "the bytes are those that came");
    assert_eq!(outcome.rejects[0].kind, "does not fit column \"x\"");
}
