//! Every Arrow type in both formats, against what PostgreSQL sends.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use bytes::{Buf, Bytes, BytesMut};

use super::*;

/// The values of one column; `None` is NULL.
fn encode(array: ArrayRef, format: Format) -> Vec<Option<Bytes>> {
    encode_field(array.clone(), Field::new("c", array.data_type().clone(), true), format)
}

fn encode_field(array: ArrayRef, field: Field, format: Format) -> Vec<Option<Bytes>> {
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
    let mut out = BytesMut::new();
    let mut encoder = BatchEncoder::new(&batch, &[format]).unwrap();
    // A row at a time, as a portal might.
    while !encoder.is_finished() {
        assert_eq!(encoder.write(&mut out, 1, usize::MAX).unwrap(), 1);
    }
    let mut values = Vec::new();
    while !out.is_empty() {
        assert_eq!(out.get_u8(), b'D');
        let mut row = out.split_to(out.clone().get_u32() as usize);
        row.advance(4);
        assert_eq!(row.get_u16(), 1);
        values.push(match row.get_i32() {
            -1 => None,
            length => Some(row.split_to(length as usize).freeze()),
        });
        assert!(row.is_empty());
    }
    values
}

fn text(array: impl Array + 'static) -> Vec<String> {
    let values = encode(Arc::new(array), Format::Text);
    values.into_iter().map(|value| value.map_or("NULL".to_string(), |value| String::from_utf8(value.to_vec()).unwrap())).collect()
}

/// The first value in binary, as hexadecimal digits.
fn hex(array: impl Array + 'static) -> String {
    let value = encode(Arc::new(array), Format::Binary).remove(0).unwrap();
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn booleans_and_nulls() {
    assert_eq!(text(BooleanArray::from(vec![Some(true), Some(false), None])), ["t", "f", "NULL"]);
    assert_eq!(hex(BooleanArray::from(vec![true])), "01");
    assert_eq!(text(NullArray::new(2)), ["NULL", "NULL"]);
}

#[test]
fn integers() {
    assert_eq!(text(Int8Array::from(vec![-128])), ["-128"]);
    assert_eq!(text(UInt8Array::from(vec![255])), ["255"]);
    assert_eq!(text(UInt16Array::from(vec![65_535])), ["65535"]);
    assert_eq!(text(UInt32Array::from(vec![u32::MAX])), ["4294967295"]);
    assert_eq!(text(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
    assert_eq!(text(Int64Array::from(vec![i64::MIN])), ["-9223372036854775808"]);
    assert_eq!(hex(Int8Array::from(vec![-1])), "ffff");
    assert_eq!(hex(UInt8Array::from(vec![255])), "00ff");
    assert_eq!(hex(UInt16Array::from(vec![1])), "00000001");
    assert_eq!(hex(Int32Array::from(vec![-2])), "fffffffe");
    assert_eq!(hex(UInt32Array::from(vec![1])), "0000000000000001");
}

#[test]
fn floats() {
    let doubles = [0.0, -0.0, 1.5, 100.0, 1e14, 1e15, 0.0001, 0.00001, 1e300, -1.25e-7, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let expected =
        ["0", "-0", "1.5", "100", "100000000000000", "1e+15", "0.0001", "1e-05", "1e+300", "-1.25e-07", "NaN", "Infinity", "-Infinity"];
    assert_eq!(text(Float64Array::from(doubles.to_vec())), expected);
    assert_eq!(text(Float32Array::from(vec![0.1, 100_000.0, 1e6, 3.402_823_5e38])), ["0.1", "100000", "1e+06", "3.4028235e+38"]);
    assert_eq!(text(Float16Array::from(vec![half(1.5)])), ["1.5"]);
    assert_eq!(hex(Float32Array::from(vec![1.0])), "3f800000");
    assert_eq!(hex(Float64Array::from(vec![1.0])), "3ff0000000000000");
}

fn half(value: f32) -> <Float16Type as ArrowPrimitiveType>::Native {
    <Float16Type as ArrowPrimitiveType>::Native::from_f32(value)
}

fn decimals(values: &[i128], scale: i8) -> Decimal128Array {
    Decimal128Array::from(values.to_vec()).with_precision_and_scale(38, scale).unwrap()
}

#[test]
fn decimals_in_text() {
    assert_eq!(text(decimals(&[1_250, -5, 0, 100], 2)), ["12.50", "-0.05", "0.00", "1.00"]);
    assert_eq!(text(decimals(&[42, -42], 0)), ["42", "-42"]);
    assert_eq!(text(decimals(&[42, 0], -3)), ["42000", "0"]);
    assert_eq!(
        text(decimals(&[1, 99_999_999_999_999_999_999_999_999_999_999_999_999], 38)),
        ["0.00000000000000000000000000000000000001", "0.99999999999999999999999999999999999999"]
    );
    let wide = Decimal256Array::from(vec![i256::from_i128(-12_345)]).with_precision_and_scale(76, 3).unwrap();
    assert_eq!(text(wide), ["-12.345"]);
    assert_eq!(text(Decimal32Array::from(vec![15]).with_precision_and_scale(9, 1).unwrap()), ["1.5"]);
}

/// Worked out by hand: count of base-10,000 digits, weight of the first, sign, scale, digits.
#[test]
fn decimals_in_binary() {
    assert_eq!(hex(decimals(&[0], 2)), "0000000000000002");
    assert_eq!(hex(decimals(&[1_250], 2)), "0002000000000002000c1388");
    assert_eq!(hex(decimals(&[-12_345_678], 4)), "000200004000000404d2162e");
    assert_eq!(hex(decimals(&[5], 5)), "0001fffe000000051388");
    assert_eq!(hex(decimals(&[10_000], 0)), "00010001000000000001");
    assert_eq!(hex(decimals(&[12], -3)), "00020001000000000001 07d0".replace(' ', ""));
}

#[test]
fn strings_and_bytes() {
    assert_eq!(text(StringArray::from(vec!["é", ""])), ["é", ""]);
    assert_eq!(text(LargeStringArray::from(vec!["a"])), ["a"]);
    assert_eq!(text(StringViewArray::from(vec!["a string longer than twelve bytes"])), ["a string longer than twelve bytes"]);
    assert_eq!(text(BinaryArray::from(vec![&b"\x00\xff"[..]])), ["\\x00ff"]);
    assert_eq!(text(BinaryViewArray::from(vec![&b"a"[..]])), ["\\x61"]);
    assert_eq!(text(FixedSizeBinaryArray::try_from_iter([b"ab"].into_iter()).unwrap()), ["\\x6162"]);
    assert_eq!(hex(LargeBinaryArray::from(vec![&b"\x00\xff"[..]])), "00ff");
    let keys: DictionaryArray<Int8Type> = vec![Some("x"), None, Some("x")].into_iter().collect();
    assert_eq!(text(keys), ["x", "NULL", "x"]);
}

#[test]
fn dates_and_times() {
    assert_eq!(
        text(Date32Array::from(vec![0, -1, 20_454, -719_528, 2_932_897])),
        ["1970-01-01", "1969-12-31", "2026-01-01", "0001-01-01 BC", "10000-01-01"]
    );
    assert_eq!(text(Date64Array::from(vec![86_400_000])), ["1970-01-02"]);
    assert_eq!(hex(Date32Array::from(vec![10_958])), "00000001");
    assert_eq!(text(Time32SecondArray::from(vec![3_661])), ["01:01:01"]);
    assert_eq!(text(Time64NanosecondArray::from(vec![1_500_000_000])), ["00:00:01.5"]);
    assert_eq!(text(TimestampSecondArray::from(vec![-1])), ["1969-12-31 23:59:59"]);
    assert_eq!(text(TimestampMicrosecondArray::from(vec![946_684_800_000_100])), ["2000-01-01 00:00:00.0001"]);
    let zoned = TimestampNanosecondArray::from(vec![1_767_225_600_120_000_000]).with_timezone("Europe/Berlin");
    assert_eq!(text(zoned), ["2026-01-01 00:00:00.12+00"]);
    assert_eq!(hex(TimestampMillisecondArray::from(vec![946_684_800_001])), "00000000000003e8");
    let extreme = encode(Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX, i64::MIN])), Format::Text);
    assert!(extreme[0].as_ref().unwrap().starts_with(b"294247-01-10") && extreme[1].as_ref().unwrap().ends_with(b" BC"));
}

#[test]
fn what_the_binary_format_cannot_hold_is_an_error_that_leaves_no_trace() {
    let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0, i64::MIN]));
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let mut encoder = BatchEncoder::new(&batch, &[Format::Binary]).unwrap();
    let mut out = BytesMut::new();
    encoder.write(&mut out, 1, usize::MAX).unwrap();
    let length = out.len();
    encoder.write(&mut out, 1, usize::MAX).unwrap_err();
    assert_eq!(out.len(), length);
}

#[test]
fn intervals() {
    let interval = |months, days, nanos| IntervalMonthDayNano::new(months, days, nanos);
    let values = vec![
        interval(14, 3, 14_706_500_000_000),
        interval(0, 0, 0),
        interval(-1, 2, -1_000_000_000),
        interval(1, -2, 3_000_000_000),
        interval(0, 1, 0),
    ];
    let expected = ["1 year 2 mons 3 days 04:05:06.5", "00:00:00", "-1 mons +2 days -00:00:01", "1 mon -2 days +00:00:03", "1 day"];
    assert_eq!(text(IntervalMonthDayNanoArray::from(values)), expected);
    assert_eq!(text(IntervalYearMonthArray::from(vec![13])), ["1 year 1 mon"]);
    assert_eq!(text(DurationSecondArray::from(vec![90])), ["00:01:30"]);
    assert_eq!(hex(IntervalMonthDayNanoArray::from(vec![interval(1, 2, 3_000)])), "00000000000000030000000200000001");
}

#[test]
fn lists_in_text() {
    let mut words = ListBuilder::new(StringBuilder::new());
    words.append_value(["a", "", "null", "b c", "d\"e\\f", "{g}", "h,i"].map(Some));
    words.append_value([Some("x"), None]);
    words.append_null();
    words.append_value::<[Option<&str>; 0], _>([]);
    let expected = [r#"{a,"","null","b c","d\"e\\f","{g}","h,i"}"#, "{x,NULL}", "NULL", "{}"];
    let words = words.finish();
    assert_eq!(text(words.clone()), expected);
    // A slice keeps its own offsets.
    assert_eq!(text(words.slice(1, 1)), ["{x,NULL}"]);
    let mut nested = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
    nested.append_value([Some([Some(1), Some(2)]), Some([Some(3), None])]);
    assert_eq!(text(nested.finish()), ["{{1,2},{3,NULL}}"]);
    let fixed = FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(0.5), Some(1.0)])], 2);
    assert_eq!(text(fixed), ["{0.5,1}"]);
}

#[test]
fn lists_in_binary() {
    let numbers = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(7), None])]);
    assert_eq!(hex(numbers), "00000001 00000001 00000017 00000002 00000001 00000004 00000007 ffffffff".replace(' ', ""));
    let empty = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![])]);
    assert_eq!(hex(empty), "000000000000000000000014");
    let mut nested = ListBuilder::new(ListBuilder::new(Int16Builder::new()));
    nested.append_value([Some([Some(1)]), Some([Some(2)])]);
    let expected = "00000002 00000000 00000015 00000002 00000001 00000001 00000001 00000002 0001 00000002 0002";
    assert_eq!(hex(nested.finish()), expected.replace(' ', ""));
    let mut ragged = ListBuilder::new(ListBuilder::new(Int16Builder::new()));
    ragged.append_value([Some(vec![Some(1)]), Some(vec![Some(2), Some(3)])]);
    let batch = RecordBatch::try_from_iter([("c", Arc::new(ragged.finish()) as ArrayRef)]).unwrap();
    BatchEncoder::new(&batch, &[Format::Binary]).unwrap().write(&mut BytesMut::new(), 1, usize::MAX).unwrap_err();
}

#[test]
fn structs_maps_and_unions_are_json() {
    let fields = Fields::from(vec![
        Field::new("n \"q\"", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("b", DataType::Boolean, true),
        Field::new("t", DataType::Timestamp(TimeUnit::Second, None), true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), None])),
        Arc::new(StringArray::from(vec!["line\nbreak", "\u{1}\\", "\"x\""])),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        Arc::new(TimestampSecondArray::from(vec![0, 1, 2])),
    ];
    let rows = StructArray::new(fields, columns, None);
    assert_eq!(
        text(rows),
        [
            r#"{"n \"q\"":1.5,"s":"line\nbreak","b":true,"t":"1970-01-01 00:00:00"}"#,
            r#"{"n \"q\"":"NaN","s":"\u0001\\","b":false,"t":"1970-01-01 00:00:01"}"#,
            r#"{"n \"q\"":null,"s":"\"x\"","b":null,"t":"1970-01-01 00:00:02"}"#,
        ]
    );
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a");
    map.values().append_value(1);
    map.keys().append_value("b");
    map.values().append_null();
    map.append(true).unwrap();
    assert_eq!(text(map.finish()), [r#"{"a":1,"b":null}"#]);
    let json = Field::new("j", DataType::Utf8, true).with_metadata([("ARROW:extension:name".into(), "arrow.json".into())].into());
    let fields = UnionFields::try_new([0, 1], [Field::new("i", DataType::Int64, true), json]).unwrap();
    let children: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![5, 0])), Arc::new(StringArray::from(vec!["", "[1, 2]"]))];
    let union = UnionArray::try_new(fields, ScalarBuffer::from(vec![0_i8, 1]), None, children).unwrap();
    assert_eq!(text(union), ["5", "[1, 2]"]);
}

#[test]
fn lists_of_structs_are_arrays_of_json() {
    let rows = StructArray::from(vec![(Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1])) as ArrayRef)]);
    let field = Arc::new(Field::new("item", rows.data_type().clone(), true));
    let list = ListArray::new(field, OffsetBuffer::from_lengths([1]), Arc::new(rows), None);
    assert_eq!(text(list), [r#"{"{\"a\":1}"}"#]);
}

#[test]
fn writing_stops_when_the_buffer_is_full() {
    let array: ArrayRef = Arc::new(StringArray::from(vec!["0123456789"; 100]));
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let mut encoder = BatchEncoder::new(&batch, &[Format::Text]).unwrap();
    let mut out = BytesMut::new();
    let mut written = 0;
    while !encoder.is_finished() {
        written += encoder.write(&mut out, usize::MAX, 100).unwrap();
        assert!(out.len() < 100 + 21, "a row at most above the limit");
        out.clear();
    }
    assert_eq!(written, 100);
}
