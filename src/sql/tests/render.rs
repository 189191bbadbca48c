//! Statements as a few lines of text, and errors as psql shows them.

use std::fmt::Write;

use crate::catalog::Emit;
use crate::error::Error;
use crate::model::{OptionValue, Options};
use crate::sql::*;

pub fn outcome(sql: &str) -> String {
    let mut lines = match parse(sql) {
        Ok(all) if all.is_empty() => "nothing".to_string(),
        Ok(all) => all.iter().map(|one| statement(&one.statement, &one.text, one.offset)).collect::<Vec<_>>().join(";\n"),
        Err(failure) => error(&failure, sql),
    };
    lines.truncate(lines.trim_end().len());
    lines
}

pub fn error(error: &Error, sql: &str) -> String {
    let mut text = format!("ERROR {}: {}\n", error.sqlstate(), error.message());
    if let Some(position) = error.position() {
        let before: Vec<char> = sql.chars().take(position - 1).collect();
        let line = before.iter().filter(|c| **c == '\n').count();
        let column = before.iter().rev().take_while(|c| **c != '\n').count();
        let label = format!("LINE {}: ", line + 1);
        let shown = sql.lines().nth(line).unwrap_or_default();
        let _ = writeln!(text, "{label}{shown}\n{}^", " ".repeat(label.len() + column));
    }
    let _ = error.detail().map(|detail| writeln!(text, "DETAIL: {detail}"));
    let _ = error.hint().map(|hint| writeln!(text, "HINT: {hint}"));
    text
}

fn statement(statement: &Statement, text: &str, offset: usize) -> String {
    let mut out = String::new();
    match statement {
        Statement::CreateSource(s) => source(&mut out, s),
        Statement::CreateTable(t) => {
            let _ = writeln!(out, "create table {} @{}{}", t.name.quoted(), t.name_position, flag(t.if_not_exists, " if not exists"));
            columns(&mut out, &t.columns);
            t.partition_by.iter().for_each(|c| placed(&mut out, "partition by", c));
            options(&mut out, &t.options);
            if let (Some(query), Some(written)) = (&t.query, &t.query_text) {
                assert_eq!(text.chars().skip(t.query_offset).collect::<String>(), *written);
                let _ = writeln!(out, "  as {query}");
            }
        }
        Statement::CreatePipeline(p) => pipeline(&mut out, p, text),
        Statement::CreateMaterializedView(v) => view(&mut out, v, text),
        Statement::CreateSecret(s) => {
            let _ = writeln!(out, "{text} @{}", s.name_position);
        }
        Statement::CreateIndex(i) => {
            let _ = writeln!(out, "create index{}", flag(i.if_not_exists, " if not exists"));
            i.name.iter().for_each(|name| placed(&mut out, "name", name));
            placed(&mut out, "on", &i.view);
            i.columns.iter().for_each(|column| placed(&mut out, "column", column));
        }
        Statement::Drop(d) => {
            let _ = writeln!(out, "drop {}{} {:?} {:?}", d.kind, flag(d.if_exists, " if exists"), d.dependents, d.files);
            d.names.iter().for_each(|name| placed(&mut out, "name", name));
        }
        Statement::AlterTable(a) => {
            let _ = writeln!(out, "alter table {} @{}{}", a.name.quoted(), a.name_position, flag(a.if_exists, " if exists"));
            match &a.change {
                TableChange::AddColumns(new) => new.iter().for_each(|new| {
                    out.push_str(flag(new.if_not_exists, "  if not exists"));
                    columns(&mut out, std::slice::from_ref(&new.column));
                }),
                TableChange::RenameTo(name) => placed(&mut out, "rename to", name),
            }
        }
        Statement::AlterPipeline(a) => {
            let _ = writeln!(out, "alter pipeline {} @{}{}", a.name.quoted(), a.name_position, flag(a.if_exists, " if exists"));
            job_change(&mut out, &a.change);
        }
        Statement::AlterMaterializedView(a) => {
            let _ = writeln!(out, "alter materialized view {} @{}{}", a.name.quoted(), a.name_position, flag(a.if_exists, " if exists"));
            job_change(&mut out, &a.change);
        }
        Statement::Explain(e) => {
            let of = self::statement(&e.of, text, offset);
            let _ = writeln!(out, "explain {:?}{}{}\n{of}", e.format, flag(e.analyze, " analyze"), flag(e.verbose, " verbose"));
        }
        Statement::Insert(i) => {
            let columns: Vec<_> = i.columns.iter().map(|c| c.quoted()).collect();
            let _ = writeln!(out, "insert into {} @{} ({})\n  {}", i.target.quoted(), i.target_position, columns.join(", "), i.query());
        }
        Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) | Statement::Truncate(_) => change(&mut out, statement),
        Statement::Query(query) => {
            let _ = writeln!(out, "query +{offset} {query}");
        }
        other => {
            let _ = writeln!(out, "{other:?}");
        }
    }
    out.trim_end().to_string()
}

/// A statement that changes rows.
fn change(out: &mut String, statement: &Statement) {
    match statement {
        Statement::Update(u) => {
            changed(out, "update", &u.table);
            set(out, &u.set);
            for from in &u.from {
                let _ = writeln!(out, "  from {from}");
            }
            if let Some(condition) = &u.selection {
                let _ = writeln!(out, "  where {condition}");
            }
        }
        Statement::Delete(d) => {
            changed(out, "delete from", &d.table);
            for from in &d.using {
                let _ = writeln!(out, "  using {from}");
            }
            if let Some(condition) = &d.selection {
                let _ = writeln!(out, "  where {condition}");
            }
        }
        Statement::Merge(m) => {
            changed(out, "merge into", &m.table);
            let _ = writeln!(out, "  using {} on {}", m.source, m.on);
            for clause in &m.clauses {
                let condition = clause.condition.as_ref().map(|condition| format!(" and {condition}")).unwrap_or_default();
                let _ = writeln!(out, "  when {:?}{condition}", clause.when);
                match &clause.then {
                    MergeAction::Update(columns) => set(out, columns),
                    MergeAction::Insert { columns, values, .. } => {
                        let columns: Vec<_> = columns.iter().map(|column| column.name.quoted()).collect();
                        let values: Vec<_> = values.iter().map(value).collect();
                        let _ = writeln!(out, "  insert ({}) values ({})", columns.join(", "), values.join(", "));
                    }
                    other => {
                        let _ = writeln!(out, "  {other:?}");
                    }
                }
            }
        }
        Statement::Truncate(t) => {
            let _ = writeln!(out, "truncate");
            t.tables.iter().for_each(|name| placed(out, "table", name));
        }
        _ => {}
    }
}

fn source(out: &mut String, s: &CreateSource) {
    let _ = writeln!(out, "create source {} @{}{}", s.name.quoted(), s.name_position, flag(s.if_not_exists, " if not exists"));
    columns(out, &s.columns);
    if let Some(w) = &s.watermark {
        let _ = writeln!(out, "  watermark {} {}us late @{}", w.column.quoted(), w.lateness_micros, w.position);
    }
    options(out, &s.options);
}

fn view(out: &mut String, v: &CreateMaterializedView, text: &str) {
    let flags = format!("{}{}", flag(v.or_replace, " or replace"), flag(v.if_not_exists, " if not exists"));
    let _ = writeln!(out, "create materialized view {} @{}{flags}", v.name.quoted(), v.name_position);
    options(out, &v.options);
    assert!(text.chars().skip(v.query_offset).collect::<String>().starts_with(&v.query_text));
    let _ = writeln!(out, "  as {}{}", v.query, emit(v.emit));
}

fn changed(out: &mut String, what: &str, table: &ChangedTable) {
    let _ = writeln!(out, "{what} {} @{} as {}", table.name.name.quoted(), table.name.position, table.alias);
}

fn set(out: &mut String, columns: &[SetColumn]) {
    for set in columns {
        let _ = writeln!(out, "  set {} @{} = {}", set.column.name.quoted(), set.column.position, value(&set.value));
    }
}

fn value(value: &Option<sqlparser::ast::Expr>) -> String {
    value.as_ref().map_or("default".to_string(), |value| value.to_string())
}

fn pipeline(out: &mut String, p: &CreatePipeline, text: &str) {
    let flags = format!("{}{}", flag(p.or_replace, " or replace"), flag(p.if_not_exists, " if not exists"));
    let _ = writeln!(out, "create pipeline {} @{}{flags}", p.name.quoted(), p.name_position);
    options(out, &p.options);
    for e in &p.expectations {
        assert!(text.chars().skip(e.condition_offset).collect::<String>().starts_with(&e.condition_text));
        let _ = writeln!(out, "  expect {} ({}) {:?} [{}]", e.name.quoted(), e.condition_text, e.on_violation, e.condition);
    }
    let columns: Vec<_> = p.target_columns.iter().flatten().map(|c| c.quoted()).collect();
    let columns = if p.target_columns.is_some() { format!(" ({})", columns.join(", ")) } else { String::new() };
    let _ = writeln!(out, "  into {} @{}{columns}", p.target.quoted(), p.target_position);
    assert!(text.chars().skip(p.query_offset).collect::<String>().starts_with(&p.query_text));
    let _ = writeln!(out, "  {}{}", p.query, emit(p.emit));
}

fn job_change(out: &mut String, change: &JobChange) {
    match change {
        JobChange::Set(new) => options(out, new),
        JobChange::RenameTo(name) => placed(out, "rename to", name),
        JobChange::SwapWith(name) => placed(out, "swap with", name),
        other => {
            let _ = writeln!(out, "  {other:?}");
        }
    }
}

fn emit(emit: Emit) -> &'static str {
    match emit {
        Emit::OnChange => "",
        Emit::OnWindowClose => "\n  emit on window close",
    }
}

fn columns(out: &mut String, columns: &[ColumnDef]) {
    for c in columns {
        let _ = writeln!(out, "  column {} {}{} @{}", c.name.quoted(), c.data_type, flag(c.not_null, " not null"), c.position);
    }
}

fn options(out: &mut String, options: &Options) {
    for (key, value) in options.iter() {
        let _ = match value {
            OptionValue::Text(text) => writeln!(out, "  {key} = '{text}'"),
            OptionValue::Secret(name) => writeln!(out, "  {key} = secret {name}"),
            OptionValue::Revealed(_) => panic!("a parser reveals nothing"),
        };
    }
}

fn placed(out: &mut String, what: &str, name: &PlacedName) {
    let _ = writeln!(out, "  {what} {} @{}", name.name.quoted(), name.position);
}

fn flag(is_set: bool, text: &str) -> &str {
    if is_set { text } else { "" }
}
