//! `lakewire quickstart`: the main job on embedded defaults, to be watched.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use arrow::util::pretty::pretty_format_batches;
use clap::Args;
use futures::TryStreamExt;
use lakewire::config::Settings;
use lakewire::error::{Error, Result};
use lakewire::model::options::parse_duration;
use lakewire::server::serve::Server;
use lakewire::session::{Outcome, Session};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

const SCRIPT: &str = include_str!("../sql/examples/quickstart.sql");
const REFRESH_INTERVAL: Duration = Duration::from_millis(500);
/// How long the table is shown growing before the display is left to rest.
const SHOW_FOR: Duration = Duration::from_secs(8);
const PROGRESS: &str =
    "SELECT j.epoch, j.records_in, j.rejected, t.rows, t.files, t.columns FROM lakewire.jobs j CROSS JOIN lakewire.tables t";
const QUESTION: &str = "SELECT event_type, count(*) AS events, sum(bytes_in) AS bytes_in FROM events GROUP BY 1 ORDER BY 2 DESC";

#[derive(Args)]
pub struct QuickstartArgs {
    /// Keep the data in this folder [default: a temporary one, gone at the end]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// End after this long, e.g. 10s [default: at Ctrl-C]
    #[arg(long, value_parser = duration)]
    exit_after: Option<Duration>,
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write 10s or 1 minute".to_string())
}

pub async fn run(args: QuickstartArgs) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let data_dir = args.data_dir.unwrap_or_else(|| temporary.path().to_path_buf());
    let settings = Settings {
        data_dir: Some(data_dir.clone()),
        pg_listen: Some("127.0.0.1:0".to_string()),
        http_listen: Some("127.0.0.1:0".to_string()),
        ..Settings::default()
    };
    let server = Server::start(settings.resolve()?).await?;
    let outcome = tokio::select! {
        outcome = show(&server, args.exit_after) => outcome,
        result = tokio::signal::ctrl_c() => Ok(result?),
    };
    println!();
    server.stop().await;
    outcome
}

async fn show(server: &Server, exit_after: Option<Duration>) -> Result<()> {
    let ends = exit_after.map(|after| Instant::now() + after);
    let session = Arc::new(Session::new(server.services.clone(), "lakewire", "lakewire")?);
    println!("Lakewire is running. It was told:\n\n{}", indent(SCRIPT.trim()));
    for statement in session.split(SCRIPT)? {
        match ask(&session, &statement.text).await {
            // With --data-dir the second start finds what the first one made.
            Err(error) if error.kind() == lakewire::error::Kind::Duplicate => {}
            other => drop(other?),
        }
    }
    println!("\nand this is its table:\n");
    show_growth(&session, Instant::now() + exit_after.map_or(SHOW_FOR, |after| (after / 2).min(SHOW_FOR))).await?;
    println!("\n\n{QUESTION};\n{}", table(&ask(&session, QUESTION).await?)?);
    let location = ask(&session, "SELECT location FROM lakewire.tables WHERE name = 'events'").await?;
    println!("\nThe table, plain Delta Lake:  {}", first_value(&location)?);
    println!("Ask more:                     psql -h {} -p {} -U lakewire lakewire", server.pg.ip(), server.pg.port());
    match ends {
        Some(ends) => sleep_until(ends).await,
        None => {
            println!("Ctrl-C ends it.");
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

async fn show_growth(session: &Arc<Session>, until: Instant) -> Result<()> {
    let mut ticks = interval(REFRESH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let is_live = std::io::stdout().is_terminal();
    let mut last = String::new();
    while Instant::now() < until {
        ticks.tick().await;
        let Some(batch) = ask(session, PROGRESS).await?.into_iter().find(|batch| batch.num_rows() > 0) else { continue };
        let value = |column: usize| array_value_to_string(batch.column(column), 0).map_err(Error::from);
        last = format!(
            "  epoch {:>3}   {:>8} records read   {:>8} rows in {} files, {} columns   {:>4} rejected",
            value(0)?,
            value(1)?,
            value(3)?,
            value(4)?,
            value(5)?,
            value(2)?
        );
        if is_live {
            print!("\r\x1b[2K{last}");
            std::io::stdout().flush()?;
        }
    }
    if !is_live {
        print!("{last}");
    }
    Ok(())
}

async fn ask(session: &Arc<Session>, sql: &str) -> Result<Vec<RecordBatch>> {
    let prepared = session.prepare(sql, &[]).await?;
    match session.execute(&prepared, vec![]).await? {
        Outcome::Rows { rows, .. } => Ok(rows.try_collect().await?),
        Outcome::Done { .. } | Outcome::Forget { .. } => Ok(vec![]),
    }
}

fn table(batches: &[RecordBatch]) -> Result<String> {
    Ok(pretty_format_batches(batches)?.to_string())
}

fn first_value(batches: &[RecordBatch]) -> Result<String> {
    match batches.iter().find(|batch| batch.num_rows() > 0) {
        Some(batch) => Ok(array_value_to_string(batch.column(0), 0)?),
        None => Err(Error::internal("the table is not listed")),
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
