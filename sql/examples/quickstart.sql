-- What `lakewire quickstart` runs: events from a generator, kept in a Delta table, and questions about them.

-- A source: where records come from. Its columns are found in the data.
CREATE SOURCE pop_events WITH (connector = 'generator', dataset = 'network', seed = 7, rate = 2000, partitions = 2, start = 'earliest');

-- A table: plain Delta Lake, Parquet files by day. It takes its columns from what is inserted.
CREATE TABLE events () PARTITION BY (event_date);

-- A pipeline: a job that keeps moving rows from the one to the other, each exactly once. New fields become new columns.
CREATE PIPELINE keep WITH (commit_interval = '1s')
  CONSTRAINT has_tenant EXPECT (tenant_id IS NOT NULL) ON VIOLATION WARN
AS INSERT INTO events SELECT *, event_time::date AS event_date FROM pop_events;
