//! Whole stories, told to the compiled program from outside: events go in, servers die, and the counts are exact.

mod story;

mod agreement;
mod bad_input;
mod catalog_outage;
mod catalog_postgres;
mod change;
mod crash_points;
mod docs;
mod drift;
mod dropped;
mod generate;
mod kept_pipelines;
mod kinesis_to_s3;
mod local_outage;
mod maintenance;
mod quickstart;
mod restart;
mod s3_outage;
mod shared_reader;
mod sigterm;
mod store_faults;
mod takeover;
mod versions;
mod view_crash_points;
mod views;
mod wire;
