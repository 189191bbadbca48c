//! Golden tests: `tests/<topic>.txt` holds statements and what they become. A block is
//!
//! ```text
//! statement, as many lines as it takes
//! ----
//! what it becomes, or the error with its place
//! ```
//!
//! with an empty line between blocks (a statement's own empty lines are written as `\` alone). Where a file differs, the test
//! says where it put the renewed one: read it, then copy it over.

mod planned;
mod render;

use std::path::{Path, PathBuf};

use super::identifiers::{mentions, relations};
use super::metadata_columns::{has_wildcard, hide_from_wildcards};
use super::*;
use crate::error::{Error, SqlState};
use crate::model::Name;

macro_rules! golden {
    ($($topic:ident),* $(,)?) => { $(#[test] fn $topic() { check(stringify!($topic)) })* };
}

golden! {
    alter, change, create_index, create_materialized_view, create_pipeline, create_secret, create_source, create_table, drop, explain, insert, query, set,
    several, show, syntax,
    transaction, unsupported,
}

fn check(topic: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sql/tests").join(format!("{topic}.txt"));
    let golden = std::fs::read_to_string(&path).unwrap();
    let renewed: Vec<_> = golden.split("\n\n").filter(|block| !block.trim().is_empty()).map(run_block).collect();
    let renewed = format!("{}\n", renewed.join("\n\n"));
    if renewed != golden {
        let renewed_path = write_renewed(topic, &renewed);
        let differs = renewed.lines().zip(golden.lines()).position(|(new, old)| new != old).unwrap_or(0);
        panic!("{topic}.txt differs from line {}; renewed: {}", differs + 1, renewed_path.display());
    }
}

fn run_block(block: &str) -> String {
    let sql = block.split("\n----").next().unwrap_or(block).trim_matches('\n');
    format!("{sql}\n----\n{}", render::outcome(&sql.replace("\\\n", "\n")))
}

fn write_renewed(topic: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("renewed-{topic}.txt"));
    std::fs::write(&path, text).unwrap();
    path
}

fn query_of(sql: &str) -> Box<sqlparser::ast::Query> {
    match parse(sql).unwrap().remove(0).statement {
        Statement::Query(query) => query,
        other => panic!("not a query: {other:?}"),
    }
}

#[test]
fn a_text_is_split_at_its_own_semicolons_only() {
    let sql = " -- é; not here\nSELECT ';', \"a;b\", $x$;$x$ /* ; */ ;;\n\n SELECT 2 -- behind; \n;/* all */ ; ";
    let texts: Vec<_> = split(sql).unwrap().into_iter().map(|statement| (statement.text, statement.offset)).collect();
    assert_eq!(texts, [("SELECT ';', \"a;b\", $x$;$x$".to_string(), 16), ("SELECT 2".to_string(), 56)]);
    assert_eq!(split("  -- nothing\n").unwrap(), []);
    assert!(parse("").unwrap().is_empty());
}

#[test]
fn a_secret_is_printed_nowhere() {
    let parsed = parse("CREATE SECRET s AS 'hunter2'").unwrap().remove(0);
    assert_eq!(parsed.text, "CREATE SECRET s AS '…'");
    assert!(!format!("{parsed:?} {:?}", parsed.statement).contains("hunter2"));
    let Statement::CreateSecret(secret) = parsed.statement else { panic!() };
    assert_eq!(secret.text.reveal(), "hunter2");
    for wrong in ["CREATE SECRET s 'hunter2'", "CREATE SECRET s AS 'x' 'hunter2'", "CREATE SECRET s AS s 'hunter2'", "SELECT 1 'hunter2"] {
        let error = parse(wrong).unwrap_err();
        assert!(!format!("{error:?} {:?}", error.detail()).contains("hunter2"), "{error:?}");
    }
}

#[test]
fn relations_leave_out_with_queries_where_they_are_known() {
    let names = |sql: &str| {
        let relations = relations(&query_of(sql)).unwrap();
        relations
            .iter()
            .map(|r| format!("{}{}@{}", r.schema.clone().map_or(String::new(), |s| s + "."), r.name, r.position(sql)))
            .collect::<Vec<_>>()
    };
    assert_eq!(names("SELECT * FROM A JOIN public.\"B\" ON true, (SELECT 1 FROM c) x"), ["a@15", "public.B@22", "c@57"]);
    assert_eq!(names("WITH a AS (SELECT * FROM a), b AS (SELECT * FROM a) SELECT * FROM a, b, c"), ["a@26", "c@73"]);
    assert_eq!(names("WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT * FROM a) SELECT * FROM a"), [""; 0]);
    assert_eq!(names("SELECT (SELECT max(x) FROM (WITH i AS (SELECT 1 AS x) SELECT * FROM i) j) FROM i"), ["i@80"]);
    assert_eq!(names("SELECT * FROM generate_series(1, 3) WHERE EXISTS (SELECT 1 FROM t)"), ["t@65"]);
}

#[test]
fn mentions_finds_a_column_anywhere() {
    let yes = [
        "SELECT _offset FROM s",
        "SELECT 1 FROM s WHERE s._OFFSET > 'x'",
        "SELECT count(*) FROM s GROUP BY upper(_offset)",
        "SELECT 1 FROM a JOIN b USING (_offset)",
        "SELECT 1 FROM (a JOIN b USING (_offset)) x",
        "WITH q AS (SELECT a FROM s ORDER BY _offset) SELECT * FROM q",
    ];
    for sql in yes {
        assert!(mentions(&query_of(sql), "_offset"), "{sql}");
    }
    for sql in ["SELECT * FROM s", "SELECT '_offset', \"_OFFSET\" FROM _offset"] {
        assert!(!mentions(&query_of(sql), "_offset"), "{sql}");
    }
}

#[test]
fn wildcards_leave_hidden_columns_out() {
    let hidden = |sql: &str| {
        let mut query = query_of(sql);
        let result = hide_from_wildcards(&mut query, &["_offset"], &|name: &Name| name.as_str().starts_with('s'));
        result.map(|()| query.to_string()).unwrap_or_else(|error| error.message().to_string())
    };
    assert_eq!(hidden("SELECT *, _offset FROM s"), "SELECT * EXCLUDE (\"_offset\"), _offset FROM s");
    assert_eq!(hidden("SELECT * FROM t"), "SELECT * FROM t");
    assert_eq!(hidden("SELECT * EXCLUDE (a) FROM s"), "SELECT * EXCLUDE (a, \"_offset\") FROM s");
    assert_eq!(hidden("SELECT * EXCLUDE _offset FROM s"), "SELECT * EXCLUDE (_offset) FROM s");
    assert_eq!(hidden("SELECT x.*, t.* FROM s x, t"), "SELECT x.* EXCLUDE (\"_offset\"), t.* FROM s x, t");
    assert_eq!(hidden("SELECT s.* FROM public.s"), "SELECT public.s.* EXCLUDE (\"_offset\") FROM public.s");
    assert_eq!(hidden("SELECT t.* FROM public.t"), "SELECT public.t.* FROM public.t");
    assert_eq!(hidden("SELECT * FROM lakewire.s"), "SELECT * FROM lakewire.s");
    assert_eq!(hidden("WITH s AS (SELECT * FROM s) SELECT * FROM s"), "WITH s AS (SELECT * EXCLUDE (\"_offset\") FROM s) SELECT * FROM s");
    assert_eq!(
        hidden("SELECT * FROM s AS a JOIN s2 ON true"),
        "SELECT a.* EXCLUDE (\"_offset\"), s2.* EXCLUDE (\"_offset\") FROM s AS a JOIN s2 ON true"
    );
    assert_eq!(hidden("SELECT * FROM s JOIN t USING (k)"), "SELECT * EXCLUDE (\"_offset\") FROM s JOIN t USING(k)");
    assert_eq!(
        hidden("SELECT * FROM s JOIN s2 USING (k)"),
        "* over two sources that are joined with USING, with _offset, is not supported"
    );
    assert_eq!(hidden("SELECT * FROM (SELECT * FROM s) x"), "SELECT * FROM (SELECT * EXCLUDE (\"_offset\") FROM s) x");
    assert!(has_wildcard(&query_of("SELECT 1 UNION ALL SELECT x.* FROM x")) && !has_wildcard(&query_of("SELECT count(*) FROM x")));
}

#[test]
fn planning_errors_get_a_position() {
    let at = |error: Error, text: &str| locate(error, text).position();
    let undefined = |message: &str| Error::undefined(message).with_state(SqlState::UNDEFINED_COLUMN);
    assert_eq!(at(undefined("column \"tenant\" does not exist"), "SELECT 'é', Tenant FROM tenant"), Some(13));
    assert_eq!(at(undefined("relation \"tenant\" does not exist"), "SELECT tenant FROM public.tenant"), Some(27));
    assert_eq!(at(undefined("function upper2 does not exist"), "SELECT upper2,\n upper2(x)"), Some(17));
    assert_eq!(at(undefined("column \"zzz\" does not exist"), "SELECT 1"), None);
    assert_eq!(at(undefined("column \"a\" does not exist").at(3), "SELECT a"), Some(3));
}

#[test]
fn long_and_deep_statements_do_not_overflow_the_stack() {
    // Of a server's threads.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(long_and_deep_statements).unwrap();
    thread.join().unwrap();
}

fn long_and_deep_statements() {
    let long = format!("SELECT 1 WHERE {}", vec!["a = 1"; 5_000].join(" OR "));
    assert!(mentions(&query_of(&long), "a"));
    assert_eq!(query_of(&long).to_string(), long, "the same, whatever its tree is like");
    assert!(parse(&long.replace("OR", "AND").replace("a = 1", "(a = 1 OR b)")).is_ok());
    let many = "SELECT 1;\n".repeat(20_000);
    assert_eq!(parse(&many).unwrap().last().unwrap().offset, 10 * 19_999);
    assert!(parse(&format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100))).is_ok());
    let chain = |link: &str, joined: &str| vec![link; 20_000].join(joined);
    let too_deep = [
        format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT {}", chain("1", " + ")),
        format!("SELECT f(1 + (2 * ({})))", chain("1", " + ")),
        format!("SELECT 1 WHERE {}", chain("a = 1 + 1", " = ")),
        format!("SELECT x{}", "::text".repeat(20_000)),
        format!("SELECT * FROM {}", chain("t", " CROSS JOIN ")),
        format!("SELECT * FROM {}", chain("t", ", ")),
        format!("SELECT * FROM ({})", chain("t", " CROSS JOIN ")),
        format!("DELETE FROM t USING {} WHERE true", chain("t", ", ")),
        chain("SELECT 1", " UNION ALL "),
        format!("SELECT NULL::int{}", "[]".repeat(20_000)),
        format!("SELECT NULL::{}int{}", "array<".repeat(20_000), ">".repeat(20_000)),
        format!("CREATE TABLE t (a {}int{})", "STRUCT<a ".repeat(20_000), ">".repeat(20_000)),
        format!("DELETE FROM t WHERE a = {}", chain("1", " * ")),
    ];
    assert!(parse("SELECT NULL::int[][][]; CREATE TABLE t (a int[], b int[])").is_ok());
    for text in too_deep {
        let error = parse(&text).unwrap_err();
        let refusal = (error.sqlstate(), error.message());
        assert_eq!(refusal, (SqlState::PROGRAM_LIMIT_EXCEEDED, "the statement is nested too deeply"), "{}", &text[..40]);
    }
}
