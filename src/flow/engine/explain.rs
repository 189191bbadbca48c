//! EXPLAIN of a dataflow: the operators as a tree, the answer first, each with how it is kept and what is known of its rows, in words that a
//! user understands.

use super::{Kind, Node};
use crate::flow::engine::relation::Arrival;

const INDENT: &str = "  ";

pub fn lines(nodes: &[Node]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shown = vec![None; nodes.len()];
    if let Some(last) = nodes.len().checked_sub(1) {
        show(nodes, last, 0, &mut shown, &mut lines);
    }
    lines
}

fn show(nodes: &[Node], at: usize, depth: usize, shown: &mut [Option<usize>], lines: &mut Vec<String>) {
    let node = &nodes[at];
    let indent = INDENT.repeat(depth);
    if let Some(line) = shown[at]
        && !node.inputs.is_empty()
    {
        lines.push(format!("{indent}-> the same as line {}", line + 1));
        return;
    }
    shown[at] = Some(lines.len());
    lines.push(format!("{indent}-> {}", node.title));
    if !node.kept.is_empty() {
        lines.push(format!("{indent}{INDENT} kept: {}", node.kept));
    }
    if says_rows(nodes, at) {
        lines.push(format!("{indent}{INDENT} rows: {}", rows(node)));
    }
    for input in &node.inputs {
        show(nodes, *input, depth + 1, shown, lines);
    }
}

/// What its one input has said already is not said again, except of the answer.
fn says_rows(nodes: &[Node], at: usize) -> bool {
    let node = &nodes[at];
    let same = |input: &Node| input.arrival == node.arrival && input.unique.is_some() == node.unique.is_some();
    match node.inputs.as_slice() {
        [input] => at + 1 == nodes.len() || !same(&nodes[*input]),
        _ => true,
    }
}

fn rows(node: &Node) -> String {
    let arrival = match node.arrival {
        Arrival::AppendOnly => "only come",
        Arrival::Changing => "come and go",
    };
    let names = |columns: &[usize]| columns.iter().map(|column| node.schema.field(*column).name().as_str()).collect::<Vec<_>>().join(", ");
    match (&node.unique, &node.kind) {
        (None, _) => arrival.to_string(),
        (Some(columns), Kind::Operator(_)) if columns.is_empty() => format!("{arrival}, at most one"),
        (Some(columns), _) => format!("{arrival}, at most one for each {}", names(columns)),
    }
}
