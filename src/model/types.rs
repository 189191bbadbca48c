//! The one table of types: what SQL calls it, its OID on the wire, and how Arrow (and so Parquet and Delta) holds it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};
use sqlparser::ast;

use crate::error::{Error, Result, SqlState};

/// The key in a field's metadata that tells types apart that Arrow holds alike. Its only value is `json`.
pub const TYPE_METADATA_KEY: &str = "lakewire.type";

const NUMERIC_PRECISION_MAX: u8 = 38;
/// The scale of a `numeric` without precision, which PostgreSQL leaves open and Parquet cannot.
const NUMERIC_SCALE_DEFAULT: i8 = 10;

/// A SQL type as users see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlType {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Numeric { precision: u8, scale: i8 },
    Text,
    Json,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Array(Box<SqlType>),
}

impl SqlType {
    /// The type a user wrote. Types that we do not have are refused by name.
    pub fn from_ast(written: &ast::DataType) -> Result<SqlType> {
        use ast::DataType as Written;
        Ok(match written {
            Written::Boolean | Written::Bool => SqlType::Boolean,
            Written::SmallInt(None) | Written::Int2(None) => SqlType::SmallInt,
            Written::Int(None) | Written::Integer(None) | Written::Int4(None) => SqlType::Integer,
            Written::BigInt(None) | Written::Int8(None) => SqlType::BigInt,
            Written::Real | Written::Float4 => SqlType::Real,
            Written::DoublePrecision | Written::Double(_) | Written::Float8 | Written::Float(_) | Written::Float64 => SqlType::Double,
            Written::Numeric(info) | Written::Decimal(info) | Written::Dec(info) => numeric(info)?,
            Written::Text | Written::String(_) | Written::Varchar(None) | Written::CharacterVarying(None) | Written::Uuid => SqlType::Text,
            Written::Varchar(_) | Written::CharacterVarying(_) => SqlType::Text,
            Written::JSON | Written::JSONB => SqlType::Json,
            Written::Bytea => SqlType::Bytea,
            Written::Date => SqlType::Date,
            Written::Time(_, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) => SqlType::Time,
            Written::Timestamp(_, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) => SqlType::Timestamp,
            Written::Timestamp(_, _) => SqlType::TimestampTz,
            Written::Interval { .. } => SqlType::Interval,
            Written::Array(
                ast::ArrayElemTypeDef::SquareBracket(element, _)
                | ast::ArrayElemTypeDef::AngleBracket(element)
                | ast::ArrayElemTypeDef::Parenthesis(element),
            ) => SqlType::Array(Box::new(SqlType::from_ast(element)?)),
            other => {
                return Err(Error::unsupported(format!("type {} is not supported", other.to_string().to_lowercase()))
                    .with_hint("the types are boolean, smallint, integer, bigint, real, double precision, numeric(p,s), text, json, bytea, date, timestamp, timestamptz, and arrays of them"));
            }
        })
    }

    /// How a user would write the type; `format_type` in PostgreSQL.
    pub fn name(&self) -> String {
        match self {
            SqlType::Boolean => "boolean".into(),
            SqlType::SmallInt => "smallint".into(),
            SqlType::Integer => "integer".into(),
            SqlType::BigInt => "bigint".into(),
            SqlType::Real => "real".into(),
            SqlType::Double => "double precision".into(),
            SqlType::Numeric { precision, scale } => format!("numeric({precision},{scale})"),
            SqlType::Text => "text".into(),
            SqlType::Json => "json".into(),
            SqlType::Bytea => "bytea".into(),
            SqlType::Date => "date".into(),
            SqlType::Time => "time without time zone".into(),
            SqlType::Timestamp => "timestamp without time zone".into(),
            SqlType::TimestampTz => "timestamp with time zone".into(),
            SqlType::Interval => "interval".into(),
            SqlType::Array(element) => format!("{}[]", element.name()),
        }
    }

    /// PostgreSQL's own name of the type, `typname` in `pg_type`.
    pub fn internal_name(&self) -> String {
        match self {
            SqlType::Boolean => "bool".into(),
            SqlType::SmallInt => "int2".into(),
            SqlType::Integer => "int4".into(),
            SqlType::BigInt => "int8".into(),
            SqlType::Real => "float4".into(),
            SqlType::Double => "float8".into(),
            SqlType::Numeric { .. } => "numeric".into(),
            SqlType::Time => "time".into(),
            SqlType::Timestamp => "timestamp".into(),
            SqlType::TimestampTz => "timestamptz".into(),
            SqlType::Text | SqlType::Json | SqlType::Bytea | SqlType::Date | SqlType::Interval => self.name(),
            SqlType::Array(element) => format!("_{}", element.internal_name().trim_start_matches('_')),
        }
    }

    /// What stands behind the `__` in the name of a sibling column.
    pub fn reading_suffix(&self) -> String {
        match self {
            SqlType::Double => "double".into(),
            SqlType::TimestampTz => "timestamptz".into(),
            SqlType::Timestamp => "timestamp".into(),
            SqlType::Numeric { .. } => "numeric".into(),
            other => other.name().replace([' ', '[', ']'], ""),
        }
    }

    /// The type's OID in PostgreSQL's `pg_type`.
    pub fn oid(&self) -> u32 {
        match self {
            SqlType::Boolean => 16,
            SqlType::Bytea => 17,
            SqlType::BigInt => 20,
            SqlType::SmallInt => 21,
            SqlType::Integer => 23,
            SqlType::Text => 25,
            SqlType::Json => 114,
            SqlType::Real => 700,
            SqlType::Double => 701,
            SqlType::Date => 1082,
            SqlType::Time => 1083,
            SqlType::Timestamp => 1114,
            SqlType::TimestampTz => 1184,
            SqlType::Interval => 1186,
            SqlType::Numeric { .. } => 1700,
            SqlType::Array(element) => element.array_oid(),
        }
    }

    /// The OID of `_type`. PostgreSQL's arrays have any number of dimensions, so an array of arrays has the array's OID.
    fn array_oid(&self) -> u32 {
        match self {
            SqlType::Boolean => 1000,
            SqlType::Bytea => 1001,
            SqlType::BigInt => 1016,
            SqlType::SmallInt => 1005,
            SqlType::Integer => 1007,
            SqlType::Text => 1009,
            SqlType::Json => 199,
            SqlType::Real => 1021,
            SqlType::Double => 1022,
            SqlType::Date => 1182,
            SqlType::Time => 1183,
            SqlType::Timestamp => 1115,
            SqlType::TimestampTz => 1185,
            SqlType::Interval => 1187,
            SqlType::Numeric { .. } => 1231,
            SqlType::Array(_) => self.oid(),
        }
    }

    /// PostgreSQL's `typlen`: bytes of the binary form, -1 where it varies.
    pub fn type_size(&self) -> i16 {
        match self {
            SqlType::Boolean => 1,
            SqlType::SmallInt => 2,
            SqlType::Integer | SqlType::Real | SqlType::Date => 4,
            SqlType::BigInt | SqlType::Double | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => 8,
            SqlType::Interval => 16,
            SqlType::Numeric { .. } | SqlType::Text | SqlType::Json | SqlType::Bytea | SqlType::Array(_) => -1,
        }
    }

    /// PostgreSQL's `atttypmod`: precision and scale of a numeric, -1 for the rest.
    pub fn type_modifier(&self) -> i32 {
        const HEADER: i32 = 4;
        match self {
            SqlType::Numeric { precision, scale } => ((*precision as i32) << 16 | (*scale as i32 & 0x7ff)) + HEADER,
            _ => -1,
        }
    }

    /// The type a client meant by an OID: that of a parameter. `None` where we have no such type.
    pub fn from_oid(oid: u32) -> Option<SqlType> {
        const NUMERIC: SqlType = SqlType::Numeric { precision: NUMERIC_PRECISION_MAX, scale: NUMERIC_SCALE_DEFAULT };
        let scalars = [
            SqlType::Boolean,
            SqlType::SmallInt,
            SqlType::Integer,
            SqlType::BigInt,
            SqlType::Real,
            SqlType::Double,
            NUMERIC,
            SqlType::Text,
            SqlType::Json,
            SqlType::Bytea,
            SqlType::Date,
            SqlType::Time,
            SqlType::Timestamp,
            SqlType::TimestampTz,
            SqlType::Interval,
        ];
        match oid {
            // char, name, varchar, unknown, uuid, bpchar: text to us.
            18 | 19 | 1042 | 1043 | 705 | 2950 => return Some(SqlType::Text),
            // oid.
            26 => return Some(SqlType::BigInt),
            3802 => return Some(SqlType::Json),
            1015 | 1003 | 1014 => return Some(SqlType::Array(Box::new(SqlType::Text))),
            _ => {}
        }
        let array = scalars.iter().find(|t| t.array_oid() == oid).map(|t| SqlType::Array(Box::new(t.clone())));
        array.or_else(|| scalars.into_iter().find(|t| t.oid() == oid))
    }

    pub fn to_arrow(&self) -> DataType {
        match self {
            SqlType::Boolean => DataType::Boolean,
            SqlType::SmallInt => DataType::Int16,
            SqlType::Integer => DataType::Int32,
            SqlType::BigInt => DataType::Int64,
            SqlType::Real => DataType::Float32,
            SqlType::Double => DataType::Float64,
            SqlType::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale),
            SqlType::Text | SqlType::Json => DataType::Utf8,
            SqlType::Bytea => DataType::Binary,
            SqlType::Date => DataType::Date32,
            SqlType::Time => DataType::Time64(TimeUnit::Microsecond),
            SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            SqlType::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            SqlType::Array(element) => DataType::List(Arc::new(element.to_field("element", true))),
        }
    }

    pub fn to_field(&self, name: &str, nullable: bool) -> Field {
        let field = Field::new(name, self.to_arrow(), nullable);
        match self {
            SqlType::Json => field.with_metadata(HashMap::from([(TYPE_METADATA_KEY.to_string(), "json".to_string())])),
            _ => field,
        }
    }

    /// What a column that came out of a query is to a user. Every Arrow type that a query can make has a reading; the few that
    /// SQL has no word for (structs, maps, unions) are json.
    pub fn from_field(field: &Field) -> SqlType {
        match field.metadata().get(TYPE_METADATA_KEY).map(String::as_str) {
            Some("json") => SqlType::Json,
            _ => SqlType::from_arrow(field.data_type()),
        }
    }

    pub fn from_arrow(data_type: &DataType) -> SqlType {
        match data_type {
            DataType::Boolean => SqlType::Boolean,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => SqlType::SmallInt,
            DataType::UInt16 | DataType::Int32 => SqlType::Integer,
            DataType::UInt32 | DataType::Int64 => SqlType::BigInt,
            DataType::UInt64 => SqlType::Numeric { precision: 20, scale: 0 },
            DataType::Float16 | DataType::Float32 => SqlType::Real,
            DataType::Float64 => SqlType::Double,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => SqlType::Numeric { precision: *precision, scale: *scale },
            DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Text,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => SqlType::Bytea,
            DataType::Date32 | DataType::Date64 => SqlType::Date,
            DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
            DataType::Timestamp(_, None) => SqlType::Timestamp,
            DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => SqlType::Interval,
            DataType::List(element)
            | DataType::LargeList(element)
            | DataType::FixedSizeList(element, _)
            | DataType::ListView(element)
            | DataType::LargeListView(element) => SqlType::Array(Box::new(SqlType::from_field(element))),
            DataType::Dictionary(_, value) => SqlType::from_arrow(value),
            DataType::RunEndEncoded(_, value) => SqlType::from_field(value),
            DataType::Struct(_) | DataType::Map(_, _) | DataType::Union(_, _) => SqlType::Json,
        }
    }

    /// Whether a lake table can hold it. Delta has no time of day and no interval.
    pub fn check_storable(&self, column: &str) -> Result<()> {
        match self {
            SqlType::Time | SqlType::Interval => Err(Error::unsupported(format!("a table cannot hold type {}", self.name()))
                .with_state(SqlState::FEATURE_NOT_SUPPORTED)
                .with_detail(format!("column \"{column}\": Delta Lake has no such type"))
                .with_hint("store it as text, or as a number of seconds")),
            SqlType::Array(element) => element.check_storable(column),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

fn numeric(info: &ast::ExactNumberInfo) -> Result<SqlType> {
    let (precision, scale) = match info {
        ast::ExactNumberInfo::None => (NUMERIC_PRECISION_MAX as u64, NUMERIC_SCALE_DEFAULT as i64),
        ast::ExactNumberInfo::Precision(precision) => (*precision, 0),
        ast::ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if precision == 0 || precision > NUMERIC_PRECISION_MAX as u64 || scale < 0 || scale as u64 > precision {
        return Err(Error::invalid(format!("numeric({precision},{scale}) is out of range"))
            .with_hint(format!("precision is 1 to {NUMERIC_PRECISION_MAX}, scale 0 to the precision")));
    }
    Ok(SqlType::Numeric { precision: precision as u8, scale: scale as i8 })
}
