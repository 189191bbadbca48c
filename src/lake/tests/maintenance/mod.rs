//! Checkpoints, log cleanup and vacuum: nobody sees a difference, and nothing that anybody needs is removed.

mod checkpoints;
mod histories;
mod vacuum;

use super::*;

/// All that a snapshot says, but when rows were last rewritten: behind a checkpoint nobody knows that.
pub(super) fn describe(snapshot: &Snapshot, applications: &[&str]) -> String {
    use super::super::file_list::Kind as Column;
    use arrow::util::display::{ArrayFormatter, FormatOptions};

    let options = FormatOptions::default().with_null("∅");
    let mut lines = Vec::new();
    for chunk in snapshot.files().chunks() {
        for file in 0..chunk.len() {
            let rows = chunk.rows().filter(|rows| arrow::array::Array::is_valid(rows, file)).map(|rows| rows.value(file));
            let mut line =
                format!("{:?} {} {} {} {rows:?}", chunk.key(file), chunk.spelled_path(file), chunk.size(file), chunk.modified(file));
            for field in snapshot.schema().fields() {
                for kind in [Column::Partition, Column::Min, Column::Max, Column::Nulls] {
                    let column = chunk.column(kind, field);
                    let text = column.map(|column| ArrayFormatter::try_new(&column, &options).unwrap().value(file).to_string());
                    line += &format!(" {kind:?} {} {}", field.name(), text.unwrap_or("∅".to_string()));
                }
            }
            lines.push(line);
        }
    }
    lines.sort();
    let transactions: Vec<_> = applications.iter().map(|application| snapshot.transaction(application)).collect();
    format!(
        "{:?} {:?} {:?} {transactions:?} {:?}\n{}",
        snapshot.version(),
        snapshot.protocol(),
        snapshot.metadata(),
        snapshot.totals(),
        lines.join("\n")
    )
}
