-- Rows that are not as they should be: counted, kept out of the table, or both.

CREATE SOURCE pop_events WITH (connector = 'generator', dataset = 'network', seed = 7, rows = 20000, partitions = 2);

CREATE TABLE traffic (event_id text, tenant_id bigint, user_id text, bytes_in bigint);

CREATE PIPELINE measure WITH (commit_interval = '1s')
  -- Events without a size are no traffic: they are left out, and counted.
  CONSTRAINT has_size EXPECT (bytes_in IS NOT NULL) ON VIOLATION DROP ROW
  -- Large ones are kept, and counted.
  CONSTRAINT is_small EXPECT (bytes_in < 1000000) ON VIOLATION WARN
AS INSERT INTO traffic SELECT event_id, tenant_id, user_id, bytes_in FROM pop_events;

FLUSH;

SELECT name, on_violation, passed, violated FROM lakewire.expectations;

SELECT tenant_id, count(*) AS events, sum(bytes_in) AS bytes_in FROM traffic GROUP BY 1 ORDER BY 3 DESC LIMIT 5;
