//! Columns that are found: readings, siblings, names, `_rest`, flattening, the first look.

use super::super::{COLUMNS_MAX, discover};
use super::*;

fn found(lines: &[&str]) -> Outcome {
    let outcome = decode(evolving(), &[lines]);
    assert_eq!(outcome.rejects, []);
    let singly: Vec<_> = lines.chunks(1).collect();
    assert_eq!(decode(evolving(), &singly), outcome, "batches make no difference");
    outcome
}

fn flattened(lines: &[&str]) -> Outcome {
    let outcome = decode(JsonDecoder::new(&[], SchemaMode::Evolve, true), &[lines]);
    assert_eq!(outcome.rejects, []);
    outcome
}

#[test]
fn a_field_settles_to_the_type_of_its_first_value() {
    let outcome = found(&[
        r#"{"b":true,"i":-7,"d":0.5,"t":"x","z":"2026-01-31T00:00:00+01:00","j":{"k": [1, 2]},"n":null}"#,
        r#" { "n" : 1 , "j" : [ ] } "#,
        "{}",
    ]);
    let columns = ["b boolean", "i bigint", "d double precision", "t text", "z timestamp with time zone", "j json", "n bigint"];
    assert_eq!(told(&outcome.columns), columns);
    let first = [("b", "true"), ("i", "-7"), ("d", "0.5"), ("t", "x"), ("z", "2026-01-30T23:00:00Z"), ("j", r#"{"k": [1, 2]}"#)];
    assert_eq!(outcome.rows, [row(&first), row(&[("j", "[ ]"), ("n", "1")]), row(&[])]);
}

#[test]
fn another_type_goes_to_a_sibling() {
    let outcome = found(&[
        r#"{"x":1}"#,
        r#"{"x":"one"}"#,
        r#"{"x":1.5}"#,
        r#"{"x":2}"#,
        r#"{"x":false}"#,
        r#"{"x":[]}"#,
        r#"{"x":"2026-01-01T00:00:00Z"}"#,
    ]);
    assert_eq!(told(&outcome.columns), ["x bigint", "x__text text", "x__double double precision", "x__boolean boolean", "x__json json"]);
    let cells = [("x", "1"), ("x__text", "one"), ("x__double", "1.5"), ("x", "2"), ("x__boolean", "false"), ("x__json", "[]")];
    let mut rows: Vec<_> = cells.iter().map(|cell| row(&[*cell])).collect();
    rows.push(row(&[("x__text", "2026-01-01T00:00:00Z")]));
    assert_eq!(outcome.rows, rows);
}

#[test]
fn a_double_takes_the_integers_it_holds_and_a_text_takes_instants() {
    let outcome = found(&[
        r#"{"x":0.5,"t":"x"}"#,
        r#"{"x":9007199254740992,"t":"2026-01-01T00:00:00Z"}"#,
        r#"{"x":9007199254740993}"#,
        r#"{"x":-3}"#,
    ]);
    assert_eq!(told(&outcome.columns), ["x double precision", "t text", "x__bigint bigint"]);
    assert_eq!(outcome.rows[1], row(&[("x", "9007199254740992.0"), ("t", "2026-01-01T00:00:00Z")]));
    assert_eq!(outcome.rows[2..], [row(&[("x__bigint", "9007199254740993")]), row(&[("x", "-3.0")])]);
}

#[test]
fn numbers_that_no_type_holds_are_text() {
    let outcome = found(&[r#"{"x":1,"y":1e400}"#, r#"{"x":9223372036854775808}"#, r#"{"x":0.1234567890123456789}"#]);
    assert_eq!(told(&outcome.columns), ["x bigint", "y text", "x__text text"]);
    assert_eq!(outcome.rows[1..], [row(&[("x__text", "9223372036854775808")]), row(&[("x__text", "0.1234567890123456789")])]);
}

#[test]
fn local_times_dates_and_nanoseconds_are_text() {
    for text in ["2026-01-01T00:00:00", "2026-01-01", "2026-01-01T00:00:00.123456789Z"] {
        assert_eq!(told(&found(&[&format!(r#"{{"x":"{text}"}}"#)]).columns), ["x text"]);
    }
}

#[test]
fn names_fold_and_the_second_spelling_goes_to_rest() {
    let outcome = found(&[
        r#"{"EventTime":1,"eventtime":"x\u00e9","EVENTTIME":[2],"É":3}"#,
        r#"{"eventTime":2,"eventTime":3,"eventTime":{"a":1}}"#,
        r#"{"EventTime":null,"eventtime":4}"#,
    ]);
    assert_eq!(told(&outcome.columns), ["eventtime bigint", "_rest json", "é bigint"]);
    assert_eq!(outcome.rows[0], row(&[("eventtime", "1"), ("é", "3"), ("_rest", r#"{"eventtime":"x\u00e9","EVENTTIME":[2]}"#)]));
    assert_eq!(outcome.rows[1], row(&[("eventtime", "2"), ("_rest", r#"{"eventTime":[3,{"a":1}]}"#)]));
    assert_eq!(outcome.rows[2], row(&[("eventtime", "4")]), "a null is no value");
}

#[test]
fn the_second_value_goes_to_rest_even_if_a_sibling_has_the_first() {
    let outcome = found(&[r#"{"x":1}"#, r#"{"x":"one","x":2}"#, r#"{"x":"one","x":2}"#]);
    assert_eq!(outcome.rows[1..], [(); 2].map(|()| row(&[("x__text", "one"), ("_rest", r#"{"x":2}"#)])));
}

#[test]
fn what_can_be_no_column_goes_to_rest() {
    let long = "n".repeat(128);
    let outcome = found(&[&format!(r#"{{"_offset":1,"":2,"a\nb":"3","{long}":4,"_Rest":5,"_key":null,"ok":6}}"#)]);
    assert_eq!(told(&outcome.columns), ["_rest json", "ok bigint"]);
    assert_eq!(outcome.rows[0]["_rest"], format!(r#"{{"_offset":1,"":2,"a\nb":"3","{long}":4,"_Rest":5}}"#));
}

#[test]
fn a_field_called_like_a_sibling_goes_to_rest_and_the_reverse() {
    let outcome = found(&[r#"{"x":1}"#, r#"{"x":"a"}"#, r#"{"x__text":"b"}"#, r#"{"y__text":"c"}"#, r#"{"y":1}"#, r#"{"y":"d"}"#]);
    assert_eq!(told(&outcome.columns), ["x bigint", "x__text text", "_rest json", "y__text text", "y bigint"]);
    assert_eq!(outcome.rows[2], row(&[("_rest", r#"{"x__text":"b"}"#)]));
    assert_eq!(outcome.rows[5], row(&[("_rest", r#"{"y":"d"}"#)]));
}

#[test]
fn columns_are_limited_and_there_is_room_for_rest() {
    let fields: Vec<String> = (0..COLUMNS_MAX + 5).map(|n| format!(r#""f{n}":{n}"#)).collect();
    let outcome = found(&[&format!("{{{}}}", fields.join(","))]);
    assert_eq!(outcome.columns.len(), COLUMNS_MAX);
    assert_eq!(outcome.rows[0]["_rest"].matches(':').count(), 6);
}

#[test]
fn known_columns_come_first_and_stay_as_they_are() {
    let mut decoder = evolving();
    let known =
        [SourceColumn::found("a", SqlType::Text), SourceColumn::sibling("a", SqlType::BigInt), SourceColumn::found("gone", SqlType::Json)];
    decoder.set_columns(&known);
    let outcome = decode(decoder, &[&[r#"{"b":1,"a":2}"#, r#"{"a":"x"}"#]]);
    assert_eq!(told(&outcome.columns), ["a text", "a__bigint bigint", "gone json", "b bigint"]);
    assert_eq!(outcome.rows, [row(&[("a__bigint", "2"), ("b", "1")]), row(&[("a", "x")])]);
}

#[test]
fn another_partitions_columns_may_come_before_ours() {
    let mut decoder = evolving();
    let first = decoder.decode(&records(&[r#"{"ours":1}"#])).unwrap();
    assert_eq!(told(&first.found), ["ours bigint"]);
    decoder.set_columns(&[SourceColumn::found("theirs", SqlType::Text), SourceColumn::found("ours", SqlType::Text)]);
    let outcome = decode(decoder, &[&[r#"{"ours":1}"#, r#"{"ours":"1","theirs":"2"}"#]]);
    assert_eq!(told(&outcome.columns), ["theirs text", "ours text", "ours__bigint bigint"]);
    assert_eq!(outcome.rows, [row(&[("ours__bigint", "1")]), row(&[("ours", "1"), ("theirs", "2")])]);
}

#[test]
fn fixed_columns_are_all_there_is() {
    let decoder = JsonDecoder::new(&declared(&[("a", SqlType::BigInt)]), SchemaMode::Fixed, false);
    let outcome = decode(decoder, &[&[r#"{"b":[{}],"a":1,"A":2,"_rest":3}"#, r#"{"b":"x"}"#]]);
    assert_eq!(told(&outcome.columns), ["a bigint"]);
    assert_eq!(outcome.rows, [row(&[("a", "1")]), row(&[])]);
}

#[test]
fn objects_become_columns() {
    let outcome = flattened(&[
        r#"{"User":{"Id":1,"Name":{"First":"A"}},"tags":[{"x":1}],"empty":{}}"#,
        r#"{"User":{"Id":2,"extra":null,"Name":{"First":"B","Last":"C"}},"tags":[]}"#,
        r#"{"user":3,"user_id":4,"User":{"Id":5,"Id":6}}"#,
        r#"{"tags":{"x":7}}"#,
    ]);
    let columns =
        ["user_id bigint", "user_name_first text", "tags json", "user_name_last text", "user bigint", "_rest json", "tags_x bigint"];
    assert_eq!(told(&outcome.columns), columns);
    assert_eq!(outcome.rows[0], row(&[("user_id", "1"), ("user_name_first", "A"), ("tags", r#"[{"x":1}]"#)]));
    assert_eq!(outcome.rows[1], row(&[("user_id", "2"), ("user_name_first", "B"), ("user_name_last", "C"), ("tags", "[]")]));
    assert_eq!(outcome.rows[2], row(&[("user", "3"), ("user_id", "4"), ("_rest", r#"{"User_Id":[5,6]}"#)]));
    assert_eq!(outcome.rows[3], row(&[("tags_x", "7")]));
}

#[test]
fn a_declared_json_column_is_not_flattened_and_fixed_columns_are_found_inside() {
    let columns = declared(&[("raw", SqlType::Json), ("a_b", SqlType::BigInt)]);
    let outcome = decode(JsonDecoder::new(&columns, SchemaMode::Fixed, true), &[&[r#"{"raw":{"a":1},"a":{"x":0,"b":2}}"#]]);
    assert_eq!(outcome.rows, [row(&[("raw", r#"{"a":1}"#), ("a_b", "2")])]);
}

#[test]
fn an_object_whose_name_is_too_long_is_kept_whole() {
    let (name, inner) = ("n".repeat(100), "m".repeat(100));
    let outcome = flattened(&[&format!(r#"{{"{name}":{{"{inner}":{{"x":1}}}}}}"#)]);
    assert_eq!(outcome.rows, [row(&[("_rest", &format!(r#"{{"{name}_{inner}":{{"x":1}}}}"#))])]);
}

#[test]
fn many_event_types_and_missing_fields_keep_their_columns() {
    let lines: Vec<String> = (0..2000u32)
        .map(|n| {
            let fields: Vec<String> =
                (0..20).filter(|field| n.wrapping_mul(2_654_435_761) >> field & 1 == 1).map(|f| format!(r#""f{f}": {n}"#)).collect();
            format!("{{{}}}", fields.join(", "))
        })
        .collect();
    let outcome = decode(evolving(), &[&lines[..1000], &lines[1000..]]);
    assert_eq!(outcome.columns.len(), 20);
    for (n, cells) in outcome.rows.iter().enumerate() {
        let expected =
            (0..20).filter(|field| (n as u32).wrapping_mul(2_654_435_761) >> field & 1 == 1).map(|f| (format!("f{f}"), n.to_string()));
        assert_eq!(*cells, expected.collect::<Row>());
    }
}

#[test]
fn blanks_may_come_and_go_from_record_to_record() {
    let lines = [
        r#"{"a":1,"b":null,"c":"x","d":{}}"#,
        "{ \"a\" : 2 , \"b\" : null , \"c\" : \"y\" , \"d\" : {} }",
        "{\"a\":\n3,\"b\":\n null,\"c\":\t\"z\",\"d\": {}}",
    ];
    let outcome = found(&[lines[0], lines[1], lines[2], lines[0]]);
    for (cells, (a, c)) in outcome.rows.iter().zip([("1", "x"), ("2", "y"), ("3", "z"), ("1", "x")]) {
        assert_eq!(*cells, row(&[("a", a), ("c", c), ("d", "{}")]));
    }
}

#[test]
fn the_first_look_settles_bigint_and_double_to_double() {
    let samples = [
        records(&[r#"{"a":1,"c":"x"}"#, r#"{"a":0.5,"b":1,"c":1}"#, "broken"]),
        records(&[r#"{"b":9007199254740993,"c":2.5,"d":0.5}"#, r#"{"b":0.5,"d":1}"#]),
    ];
    let known = declared(&[("k", SqlType::Text)]);
    let columns = discover(&known, SchemaMode::Evolve, false, &samples);
    let expected = [
        "k text",
        "a double precision",
        "c text",
        "b double precision",
        "c__double double precision",
        "d double precision",
        "b__bigint bigint",
    ];
    assert_eq!(told(&columns), expected);
    assert_eq!(discover(&known, SchemaMode::Fixed, false, &samples), known);
}
