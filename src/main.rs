//! The command line: `serve`, `quickstart`, and `generate`.

mod quickstart;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lakewire::clock::Clock;
use lakewire::config::{Config, Settings};
use lakewire::error::{Error, Result};
use lakewire::server::serve::{Server, THREAD_STACK_BYTES};
use lakewire::sources::generator::command::{self, GenerateArgs};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A SQL-first lakehouse server that speaks the Postgres wire protocol.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<Settings>),
    /// Run a server on free ports with generated events, and watch a table grow
    Quickstart(quickstart::QuickstartArgs),
    /// Write generated records to standard output or into a Kinesis stream
    Generate(GenerateArgs),
}

fn main() -> ExitCode {
    // Two libraries bring a TLS provider each; one of them must be named.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let outcome = run(Cli::parse().command);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.one_line());
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.worker_threads(2).thread_name("network").thread_stack_size(THREAD_STACK_BYTES);
    let runtime = threads.enable_all().build()?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve(settings) => serve(settings.resolve()?).await,
            Command::Quickstart(args) => quickstart::run(args).await,
            Command::Generate(args) => command::run(args, Clock::wall(), &mut std::io::stdout().lock()).await,
        }
    });
    // What still blocks (a name look-up) must not keep the process.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Config) -> Result<()> {
    log_to_stderr(&config)?;
    // Asked for before anything starts: a signal during the start must not kill it half-way.
    let mut terminate = signal(SignalKind::terminate())?;
    let server = Server::start(config).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}

fn log_to_stderr(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| {
        Error::invalid(format!("log filter '{}' cannot be understood", config.log))
            .with_cause(error)
            .with_hint("write info, or lakewire=debug,info")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // To complain there about a line that could not be written there panics: a full disk must not end whatever wanted to say something.
        .log_internal_errors(false);
    match config.log_json {
        true => log.json().init(),
        false => log.with_target(false).init(),
    }
    Ok(())
}
