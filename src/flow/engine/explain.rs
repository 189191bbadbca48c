//! EXPLAIN of a dataflow: the operators as a tree, the answer first, each with how it is kept in words that a user understands.

use super::Node;

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
    for input in &node.inputs {
        show(nodes, *input, depth + 1, shown, lines);
    }
}
