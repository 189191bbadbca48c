//! Values of every type, there and back. The driver speaks binary; the text form is asked for with simple queries.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use tokio_postgres::Client;
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::Server;

/// Sends the value as a parameter of the type and reads it back, both in binary.
async fn round_trip<T>(client: &Client, sql_type: &str, value: T)
where
    T: ToSql + for<'a> FromSql<'a> + PartialEq + std::fmt::Debug + Sync,
{
    let row = client.query_one(&format!("SELECT $1::{sql_type} AS v"), &[&value]).await.unwrap_or_else(|e| panic!("{sql_type}: {e:?}"));
    assert_eq!(row.get::<_, T>(0), value, "{sql_type}");
    let none = client.query_one(&format!("SELECT $1::{sql_type} AS v"), &[&None::<T>]).await.unwrap();
    assert_eq!(none.get::<_, Option<T>>(0), None, "{sql_type}");
}

/// The value as simple queries show it.
async fn shown(client: &Client, expression: &str) -> String {
    let messages = client.simple_query(&format!("SELECT {expression}")).await.unwrap_or_else(|e| panic!("{expression}: {e:?}"));
    messages
        .iter()
        .find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_string()),
            _ => None,
        })
        .unwrap()
}

#[tokio::test]
async fn scalars_in_binary() {
    let server = Server::start().await;
    let client = server.connect().await;
    round_trip(&client, "boolean", true).await;
    round_trip(&client, "smallint", i16::MIN).await;
    round_trip(&client, "int", -7_i32).await;
    round_trip(&client, "bigint", i64::MAX).await;
    round_trip(&client, "real", 1.5_f32).await;
    round_trip(&client, "double precision", -0.1_f64).await;
    round_trip(&client, "text", "Grüße, 世界".to_string()).await;
    round_trip(&client, "bytea", vec![0_u8, 1, 255]).await;
    round_trip(&client, "date", NaiveDate::from_ymd_opt(1969, 7, 20).unwrap()).await;
    round_trip(&client, "time", NaiveTime::from_hms_micro_opt(23, 59, 59, 1).unwrap()).await;
    let moment: NaiveDateTime = "1999-12-31T23:59:59.123456".parse().unwrap();
    round_trip(&client, "timestamp", moment).await;
}

#[tokio::test]
async fn timestamps_with_zone_in_binary() {
    let server = Server::start().await;
    let client = server.connect().await;
    let expression = "arrow_cast($1, 'Timestamp(Microsecond, Some(\"UTC\"))') AS v";
    let moment: DateTime<Utc> = "2026-01-01T00:00:00.5Z".parse().unwrap();
    let statement = client.prepare_typed(&format!("SELECT {expression}"), &[Type::TIMESTAMPTZ]).await.unwrap();
    let row = client.query_one(&statement, &[&moment]).await.unwrap();
    assert_eq!(row.get::<_, DateTime<Utc>>(0), moment);
    assert_eq!(row.get::<_, SystemTime>(0), SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_500));
}

#[tokio::test]
async fn arrays_in_binary() {
    let server = Server::start().await;
    let client = server.connect().await;
    let statement = client.prepare_typed("SELECT $1 AS v", &[Type::INT8_ARRAY]).await.unwrap();
    let numbers = vec![Some(1_i64), None, Some(3)];
    assert_eq!(client.query_one(&statement, &[&numbers]).await.unwrap().get::<_, Vec<Option<i64>>>(0), numbers);
    let statement = client.prepare_typed("SELECT $1 AS v", &[Type::TEXT_ARRAY]).await.unwrap();
    let words = vec!["a b".to_string(), String::new(), "\"q\"".to_string()];
    assert_eq!(client.query_one(&statement, &[&words]).await.unwrap().get::<_, Vec<String>>(0), words);
    assert_eq!(client.query_one(&statement, &[&Vec::<String>::new()]).await.unwrap().get::<_, Vec<String>>(0), Vec::<String>::new());
}

#[tokio::test]
async fn json_and_uuid_parameters() {
    let server = Server::start().await;
    let client = server.connect().await;
    let statement = client.prepare_typed("SELECT $1 AS v", &[Type::JSONB]).await.unwrap();
    let row = client.query_one(&statement, &[&serde_json::json!({"a": [1, 2]})]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "{\"a\":[1,2]}");
    let statement = client.prepare_typed("SELECT $1 AS v", &[Type::UUID]).await.unwrap();
    let row = client.query_one(&statement, &[&uuid::Uuid::nil()]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "00000000-0000-0000-0000-000000000000");
}

#[tokio::test]
async fn values_in_text() {
    let server = Server::start().await;
    let client = server.connect().await;
    for (expression, expected) in [
        ("true", "t"),
        ("NULL", "NULL"),
        ("-5::smallint", "-5"),
        ("1e300::double precision", "1e+300"),
        ("'NaN'::double precision", "NaN"),
        ("12.50::numeric(10,2)", "12.50"),
        ("'2026-01-01'::date", "2026-01-01"),
        ("'2026-01-01 01:02:03.500'::timestamp", "2026-01-01 01:02:03.5"),
        ("arrow_cast('2026-01-01', 'Timestamp(Second, Some(\"+00:00\"))')", "2026-01-01 00:00:00+00"),
        ("arrow_cast('abc', 'Dictionary(Int32, Utf8)')", "abc"),
        ("arrow_cast('abc', 'Utf8View')", "abc"),
        ("arrow_cast(18446744073709551615, 'UInt64')", "18446744073709551615"),
        ("interval '1 month 2 days 3 seconds'", "1 mon 2 days 00:00:03"),
        ("make_array('a', NULL, 'b c')", "{a,NULL,\"b c\"}"),
        ("make_array(make_array(1, 2), make_array(3, 4))", "{{1,2},{3,4}}"),
        ("named_struct('a', 1, 'b', make_array('x'))", "{\"a\":1,\"b\":[\"x\"]}"),
        ("X'00ff'", "\\x00ff"),
    ] {
        assert_eq!(shown(&client, expression).await, expected, "{expression}");
    }
}
