//! What the documentation shows works: every SQL block of every page, and every example that ships.
//!
//! The blocks fenced ```` ```sql ```` of a page run in order against one fresh server. A block that cannot run there (a stream in somebody's
//! account, an outline of a syntax) is fenced ```` ```sql ignore ````.

use std::fs;
use std::path::{Path, PathBuf};

use crate::servers::{Refusal, Server};

#[tokio::test]
async fn every_page_runs() {
    let pages = [vec![root().join("README.md")], files("docs/sql", "md")].concat();
    for page in pages {
        let blocks = sql_blocks(&fs::read_to_string(&page).expect("a page can be read"));
        if blocks.is_empty() {
            continue;
        }
        let server = Server::start().await;
        for block in blocks {
            run(&server, &page, block.line, &block.sql).await;
        }
        assert_no_failure(&server, &page).await;
    }
}

#[tokio::test]
async fn every_example_runs() {
    let examples = files("sql/examples", "sql");
    assert!(!examples.is_empty(), "there are no examples");
    for example in examples {
        let server = Server::start().await;
        let text = fs::read_to_string(&example).expect("an example can be read");
        run(&server, &example, 1, &text).await;
        assert_no_failure(&server, &example).await;
    }
}

async fn run(server: &Server, page: &Path, line: usize, sql: &str) {
    if let Err(error) = server.try_sql(sql).await {
        let told = Refusal::from_error(&error).map_or(error.to_string(), |refusal| refusal.to_string());
        panic!("{}:{line}: {told}\n{sql}", page.display());
    }
}

/// What a page starts must also run.
async fn assert_no_failure(server: &Server, page: &Path) {
    let failed = server.sql("SELECT name, error FROM lakewire.jobs WHERE state = 'failed'").await;
    assert!(failed.rows.is_empty(), "{}: {:?}", page.display(), failed.rows);
}

#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Of its first line of SQL, from 1.
    line: usize,
    sql: String,
}

fn sql_blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut fence: Option<&str> = None;
    for (number, line) in page.lines().enumerate() {
        match (fence, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                fence = Some(info.trim());
                if info.trim() == "sql" {
                    blocks.push(Block { line: number + 2, sql: String::new() });
                }
            }
            (Some(_), Some(_)) => fence = None,
            (Some("sql"), None) => {
                let block = blocks.last_mut().expect("the fence opened a block");
                block.sql.push_str(line);
                block.sql.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn only_plain_sql_blocks_are_run() {
    let page = "# A page\n```sql\nSELECT 1;\n```\n```sql ignore\nCREATE SOURCE …\n```\n```\nno sql\n```\n```sql\nSELECT\n 2;\n```\n";
    let expected = [Block { line: 3, sql: "SELECT 1;\n".to_string() }, Block { line: 12, sql: "SELECT\n 2;\n".to_string() }];
    assert_eq!(sql_blocks(page), expected);
}
