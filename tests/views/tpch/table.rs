//! The eight tables and their columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

pub struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    BigInt,
    Int,
    /// numeric(15, 2)
    Money,
    Text,
    Date,
}

use Kind::{BigInt, Date, Int, Money, Text};

pub const REGION: usize = 0;
pub const NATION: usize = 1;
pub const SUPPLIER: usize = 2;
pub const CUSTOMER: usize = 3;
pub const PART: usize = 4;
pub const PARTSUPP: usize = 5;
pub const ORDERS: usize = 6;
pub const LINEITEM: usize = 7;

pub const TABLES: [Table; 8] = [
    Table { name: "region", columns: &[("r_regionkey", BigInt), ("r_name", Text), ("r_comment", Text)] },
    Table { name: "nation", columns: &[("n_nationkey", BigInt), ("n_name", Text), ("n_regionkey", BigInt), ("n_comment", Text)] },
    Table {
        name: "supplier",
        columns: &[
            ("s_suppkey", BigInt),
            ("s_name", Text),
            ("s_address", Text),
            ("s_nationkey", BigInt),
            ("s_phone", Text),
            ("s_acctbal", Money),
            ("s_comment", Text),
        ],
    },
    Table {
        name: "customer",
        columns: &[
            ("c_custkey", BigInt),
            ("c_name", Text),
            ("c_address", Text),
            ("c_nationkey", BigInt),
            ("c_phone", Text),
            ("c_acctbal", Money),
            ("c_mktsegment", Text),
            ("c_comment", Text),
        ],
    },
    Table {
        name: "part",
        columns: &[
            ("p_partkey", BigInt),
            ("p_name", Text),
            ("p_mfgr", Text),
            ("p_brand", Text),
            ("p_type", Text),
            ("p_size", Int),
            ("p_container", Text),
            ("p_retailprice", Money),
            ("p_comment", Text),
        ],
    },
    Table {
        name: "partsupp",
        columns: &[("ps_partkey", BigInt), ("ps_suppkey", BigInt), ("ps_availqty", Int), ("ps_supplycost", Money), ("ps_comment", Text)],
    },
    Table {
        name: "orders",
        columns: &[
            ("o_orderkey", BigInt),
            ("o_custkey", BigInt),
            ("o_orderstatus", Text),
            ("o_totalprice", Money),
            ("o_orderdate", Date),
            ("o_orderpriority", Text),
            ("o_clerk", Text),
            ("o_shippriority", Int),
            ("o_comment", Text),
        ],
    },
    Table {
        name: "lineitem",
        columns: &[
            ("l_orderkey", BigInt),
            ("l_partkey", BigInt),
            ("l_suppkey", BigInt),
            ("l_linenumber", Int),
            ("l_quantity", Money),
            ("l_extendedprice", Money),
            ("l_discount", Money),
            ("l_tax", Money),
            ("l_returnflag", Text),
            ("l_linestatus", Text),
            ("l_shipdate", Date),
            ("l_commitdate", Date),
            ("l_receiptdate", Date),
            ("l_shipinstruct", Text),
            ("l_shipmode", Text),
            ("l_comment", Text),
        ],
    },
];

impl Table {
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Where a column stands.
    pub fn place(&self, column: &str) -> usize {
        let place = self.columns.iter().position(|(name, _)| *name == column);
        place.unwrap_or_else(|| panic!("{} has no column {column}", self.name))
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            BigInt => DataType::Int64,
            Int => DataType::Int32,
            Money => DataType::Decimal128(15, 2),
            Text => DataType::Utf8,
            Date => DataType::Date32,
        }
    }
}
