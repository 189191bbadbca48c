//! Payloads that hold several records, or are packed, or hold nothing.

use super::super::{RECORDS_PER_PAYLOAD_MAX, UNPACKED_BYTES_MAX};
use super::*;

fn numbers<P: AsRef<[u8]>>(payload: P) -> Vec<String> {
    let outcome = decode(evolving(), &[&[payload.as_ref(), br#"{"n":9}"#]]);
    assert_eq!(outcome.rejects, []);
    let (last, others) = outcome.rows.split_last().unwrap();
    assert_eq!(last["n"], "9", "what comes after is not disturbed");
    assert!(outcome.records[..others.len()].iter().all(|record| *record == 0), "all rows are of the one payload");
    others.iter().map(|cells| cells["n"].clone()).collect()
}

fn rejected<P: AsRef<[u8]>>(payload: P) -> String {
    let outcome = decode(evolving(), &[&[br#"{"n":1}"#, payload.as_ref(), br#"{"n":2}"#]]);
    assert_eq!((outcome.records.as_slice(), outcome.rejects.len()), (&[0, 2][..], 1), "rejected as a whole, once");
    assert_eq!(told(&outcome.columns), ["n bigint"], "nothing of it is found");
    assert_eq!((outcome.rejects[0].record, &outcome.rejects[0].part), (1, &None));
    outcome.rejects[0].reason.clone()
}

#[test]
fn several_records_in_one_payload_are_several_rows() {
    for payload in [
        "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n",
        "{\"n\":1}\r\n\r\n{\"n\":2}\r\n{\"n\":3}",
        "{\"n\":1}{\"n\":2}{\"n\":3}",
        "[{\"n\":1},{\"n\":2},{\"n\":3}]",
        " [ {\"n\":1} , {\"n\":2} ] [] {\"n\":3} ",
        "\u{feff}[{\"n\":1}]\n[{\"n\":2},{\"n\":3}]",
    ] {
        assert_eq!(numbers(payload), ["1", "2", "3"], "{payload}");
        assert_eq!(numbers(gzip(payload.as_bytes())), ["1", "2", "3"], "packed {payload}");
    }
    let members = [gzip(b"{\"n\":1}"), gzip(b""), gzip(b"{\"n\":2}")].concat();
    assert_eq!(numbers(members), ["1", "2"]);
}

#[test]
fn a_payload_that_is_not_json_through_and_through_is_rejected_as_a_whole() {
    for (payload, reason) in [
        ("{\"n\":1}\n{\"m\":2}\n{\"n\":", "expected a value at byte 22"),
        ("{\"n\":1},{\"n\":2}", "expected another record or the end of the payload at byte 8"),
        ("{\"n\":1}}", "expected another record or the end of the payload at byte 8"),
        ("{\"n\":1} nonsense", "expected another record or the end of the payload at byte 9"),
        ("{\"n\":1}\u{feff}{\"n\":2}", "expected another record"),
        ("[{\"n\":1},]", "something else begins at byte 10"),
        ("[{\"n\":1},2]", "the record is not a JSON object: a number begins at byte 10"),
        ("[{\"n\":1},[{\"n\":2}]]", "the record is not a JSON object: an array begins at byte 10"),
        ("[{\"n\":1}", "expected a comma or a closing bracket at byte 9"),
        ("[{\"n\":1}]]", "expected another record"),
        ("[]", "the array has no records"),
        ("[ ] []", "the array has no records"),
        ("", "the record is empty"),
        (" \t\r\n", "the record is empty"),
        ("\u{feff}", "the record is empty"),
    ] {
        let told = rejected(payload);
        assert!(told.contains(reason), "{payload}: {told}");
        assert_eq!(rejected(gzip(payload.as_bytes())), told, "packed");
    }
}

#[test]
fn a_record_that_does_not_fit_the_columns_is_rejected_alone() {
    let decoder = JsonDecoder::new(&declared(&[("n", SqlType::BigInt)]), SchemaMode::Evolve, false);
    let payloads = [
        "{\"n\":1}\n {\"n\":\"two\",\"new\":[ ]} \n{\"n\":3}",
        "[{\"n\":4},{\"n\":5.5}]",
        "{\"n\":\"x\"}{\"n\":\"y\"}",
        "[{\"n\":\"alone\"}] ",
    ];
    let outcome = decode(decoder, &[&payloads]);
    assert_eq!(told(&outcome.columns), ["n bigint"]);
    assert_eq!((outcome.records, outcome.rows.len()), (vec![0, 0, 1], 3));
    let parts: Vec<_> = outcome.rejects.iter().map(|reject| (reject.record, reject.part.as_deref())).collect();
    let second = Some(&br#"{"n":"two","new":[ ]}"#[..]);
    let expected =
        [(0, second), (1, Some(&br#"{"n":5.5}"#[..])), (2, Some(&br#"{"n":"x"}"#[..])), (2, Some(&br#"{"n":"y"}"#[..])), (3, None)];
    assert_eq!(parts, expected, "of a payload with one record all that came");
    // Where the rest is no JSON, it is the whole payload again.
    let decoder = JsonDecoder::new(&declared(&[("n", SqlType::BigInt)]), SchemaMode::Evolve, false);
    let outcome = decode(decoder, &[&["{\"n\":1}{\"n\":\"two\"}{"]]);
    assert_eq!((outcome.rows.len(), outcome.rejects.len(), &outcome.rejects[0].part), (0, 1, &None));
}

#[test]
fn records_in_a_payload_are_limited() {
    let payload = |records: usize| "{\"n\":1}".repeat(records);
    assert_eq!(numbers(payload(RECORDS_PER_PAYLOAD_MAX)).len(), RECORDS_PER_PAYLOAD_MAX);
    assert_eq!(rejected(payload(RECORDS_PER_PAYLOAD_MAX + 1)), "the payload has more than the 20000 records that are read of one");
}

#[test]
fn gzip_that_cannot_be_unpacked_is_rejected() {
    let good = gzip(b"{\"n\":1}");
    assert_eq!(numbers(&good), ["1"]);
    for cut in 2..good.len() {
        assert_eq!(rejected(&good[..cut]), "malformed gzip: it is cut off", "cut at {cut}");
    }
    let mut wrong_sum = good.clone();
    *wrong_sum.iter_mut().nth_back(5).unwrap() ^= 1;
    assert_eq!(rejected(wrong_sum), "malformed gzip: it is damaged");
    assert!(rejected([&good[..], b"tail"].concat()).starts_with("malformed gzip"));
    assert_eq!(rejected(gzip(b"\xff")), "invalid UTF-8 at byte 1");
    assert!(rejected(gzip(&good)).starts_with("invalid UTF-8"), "packed twice is not unpacked twice");
}

#[test]
fn a_bomb_is_bounded() {
    let bomb = gzip(&vec![b' '; UNPACKED_BYTES_MAX + 1]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(rejected(&bomb), "the gzip holds more than the 67108864 bytes that are unpacked");
    let longest = format!("{{\"n\":1}}{}", " ".repeat(UNPACKED_BYTES_MAX - 7));
    assert_eq!(numbers(gzip(longest.as_bytes())), ["1"]);
    // One record in it is held to the length of a record.
    let record = format!("{{\"n\":2{}}}", " ".repeat(8 << 20));
    let outcome = decode(evolving(), &[&[gzip(format!("{{\"n\":1}}{record}").as_bytes())]]);
    assert_eq!((outcome.rows.len(), outcome.rejects[0].kind.as_str()), (1, "too long"));
}

/// A batch ends before it is too much, and the next call goes on with what is left.
#[test]
fn many_bombs_come_in_several_batches() {
    let big = gzip(format!("{{\"n\":1}}{}", " ".repeat(UNPACKED_BYTES_MAX - 7)).as_bytes());
    let all = records(&vec![big; 6]);
    let mut decoder = evolving();
    let first = decoder.decode(&all).unwrap();
    assert_eq!((first.taken, first.rows), (4, vec![0, 1, 2, 3]));
    let second = decoder.decode(&all.slice(4, 2)).unwrap();
    assert_eq!((second.taken, second.rows), (2, vec![0, 1]));
}

#[test]
fn a_batch_of_very_many_cells_comes_in_several() {
    let columns: Vec<SourceColumn> = (0..1999).map(|n| SourceColumn::found(&format!("c{n}"), SqlType::BigInt)).collect();
    let mut decoder = JsonDecoder::new(&columns, SchemaMode::Evolve, false);
    let all = records(&vec![r#"{"c0":1}"#; 10_000]);
    let first = decoder.decode(&all).unwrap();
    assert!((8_000..9_000).contains(&first.taken), "{}", first.taken);
    let arrays = first.batch.columns();
    assert!(arrays[1..].iter().all(|array| std::sync::Arc::ptr_eq(array, &arrays[1])), "columns without values share one array");
}
