//! DataFusion's planner as all of Lakewire uses it: PostgreSQL's dialect, our names, our functions. No tables: who plans adds them.

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;

use super::bytea::ByteaCasts;
use super::in_subquery::UnknownMatches;
use super::numeric_avg::SumsAndCounts;
use super::numeric_sum::PlainSums;
use super::overflow::{CheckedConstants, CheckedPlanner};
use super::{DATABASE, PUBLIC_SCHEMA, date_bin, filter_first, numeric_avg, numeric_sum};
use crate::error::Result;

/// The functions that tell the time. A job has them volatile, so that they are not folded into its plan; throughout a batch they stand still.
pub const CLOCKS: [&str; 3] = ["now", "current_date", "current_time"];

/// A planner without tables. `threads` is how many ways a query is split.
pub fn context(runtime: Arc<RuntimeEnv>, threads: usize) -> Result<SessionContext> {
    let state = SessionStateBuilder::new()
        .with_config(config(threads))
        .with_runtime_env(runtime)
        .with_default_features()
        .with_analyzer_rule(Arc::new(ByteaCasts))
        .with_analyzer_rule(Arc::new(UnknownMatches))
        .with_analyzer_rule(Arc::new(SumsAndCounts))
        .with_analyzer_rule(Arc::new(PlainSums))
        .with_optimizer_rules(optimizer_rules())
        .with_physical_optimizer_rules(filter_first::physical_rules())
        .with_query_planner(Arc::new(CheckedPlanner))
        .build();
    let mut context = SessionContext::new_with_state(state);
    datafusion_functions_json::register_all(&mut context)?;
    context.register_udf(date_bin::function());
    context.register_udaf(numeric_sum::function());
    context.register_udaf(numeric_avg::function());
    Ok(context)
}

fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let ours: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(CheckedConstants);
    std::iter::once(ours).chain(Optimizer::new().rules).collect()
}

fn config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(DATABASE, PUBLIC_SCHEMA)
        .with_target_partitions(threads)
        .with_create_default_catalog_and_schema(true);
    let options = config.options_mut();
    options.sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    // `1.5` is numeric, exactly that.
    options.sql_parser.parse_float_as_decimal = true;
    // The lake holds plain strings; views would only be cast back and forth.
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.time_zone = Some("UTC".to_string());
    config
}
