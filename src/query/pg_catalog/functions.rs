//! PostgreSQL's information functions: the library's, and ours where it has none or has a wrong answer.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::catalog::TableFunction;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::pg_catalog::{create_current_database_udf, setup_pg_catalog};

use super::pg_views::OWNER;
use super::size;
use crate::error::{Error, Result};

/// Functions whose answer does not depend on their arguments: what they are asked for, we do not have.
const CONSTANTS: &[(&str, Answer)] = &[
    ("col_description", Answer::Null),
    ("obj_description", Answer::Null),
    ("shobj_description", Answer::Null),
    ("pg_get_viewdef", Answer::Null),
    ("pg_get_indexdef", Answer::Null),
    ("pg_get_ruledef", Answer::Null),
    ("pg_get_function_result", Answer::Null),
    ("pg_get_function_arguments", Answer::Null),
    ("pg_get_userbyid", Answer::Text(OWNER)),
    ("pg_encoding_to_char", Answer::Text("UTF8")),
    // The lake's sizes are not known without asking the bucket.
    ("pg_relation_size", Answer::NullBigint),
    ("pg_table_size", Answer::NullBigint),
    ("pg_indexes_size", Answer::NullBigint),
    ("pg_total_relation_size", Answer::NullBigint),
    ("pg_database_size", Answer::NullBigint),
    ("pg_tablespace_location", Answer::Null),
    ("pg_is_in_recovery", Answer::Boolean(false)),
    ("pg_function_is_visible", Answer::Boolean(true)),
    ("pg_type_is_visible", Answer::Boolean(true)),
    ("pg_operator_is_visible", Answer::Boolean(true)),
    ("pg_ts_config_is_visible", Answer::Boolean(true)),
    ("pg_relation_is_publishable", Answer::Boolean(false)),
];

const VERSION: &str = concat!("PostgreSQL 15.10 (Lakewire ", env!("CARGO_PKG_VERSION"), ")");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Answer {
    Null,
    NullBigint,
    Text(&'static str),
    Boolean(bool),
}

/// What the library adds to a context. Made once: it unpacks all of its tables on the way.
struct Library {
    functions: Vec<Arc<ScalarUDF>>,
    table_functions: Vec<Arc<TableFunction>>,
}

static LIBRARY: LazyLock<std::result::Result<Library, String>> = LazyLock::new(Library::load);

pub fn register(context: &SessionContext, user: &str, database: &str) -> Result<()> {
    let library = LIBRARY.as_ref().map_err(|error| Error::internal(error.clone()))?;
    for function in &library.functions {
        context.register_udf(function.as_ref().clone());
    }
    for function in &library.table_functions {
        context.register_udtf(function.name(), function.function().clone());
    }
    for (name, answer) in CONSTANTS {
        context.register_udf(ScalarUDF::from(Constant::new(name, (*answer).into())));
    }
    for name in ["session_user", "current_user", "user"] {
        context.register_udf(ScalarUDF::from(Constant::new(name, ScalarValue::from(user))));
    }
    context.register_udf(ScalarUDF::from(Constant::new("version", ScalarValue::from(VERSION))));
    context.register_udf(create_current_database_udf(database));
    context.register_udf(size::pretty());
    let state = context.state_ref();
    let with_types = SessionStateBuilder::new_from_existing(context.state()).with_type_planner(Arc::new(PgOidTypePlanner)).build();
    *state.write() = with_types;
    Ok(())
}

impl Library {
    fn load() -> std::result::Result<Library, String> {
        let (bare, filled) = (SessionContext::new(), SessionContext::new());
        let catalog = filled.state().config_options().catalog.default_catalog.clone();
        setup_pg_catalog(&filled, &catalog, EmptyContextProvider).map_err(|error| error.to_string())?;
        let (bare, filled) = (bare.state(), filled.state());
        let is_new = |name: &str, function: &Arc<ScalarUDF>| !bare.scalar_functions().get(name).is_some_and(|own| own == function);
        let functions = filled.scalar_functions().iter().filter(|(name, function)| is_new(name, function));
        Ok(Library {
            functions: functions.map(|(_, function)| function.clone()).collect(),
            table_functions: filled.table_functions().values().cloned().collect(),
        })
    }
}

/// A function of any arguments with one answer.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: String,
    answer: ScalarValue,
    signature: Signature,
}

impl Constant {
    fn new(name: &str, answer: ScalarValue) -> Constant {
        let any = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        Constant { name: name.to_string(), answer, signature: Signature::one_of(any, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(self.answer.data_type())
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.answer.clone()))
    }
}

impl From<Answer> for ScalarValue {
    fn from(answer: Answer) -> ScalarValue {
        match answer {
            Answer::Null => ScalarValue::Utf8(None),
            Answer::NullBigint => ScalarValue::Int64(None),
            Answer::Text(text) => ScalarValue::from(text),
            Answer::Boolean(value) => ScalarValue::from(value),
        }
    }
}
