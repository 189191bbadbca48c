-- Two pipelines over one source: it is read and decoded once, and each pipeline has its own place in it.

CREATE SOURCE pop_events WITH (connector = 'generator', dataset = 'network', seed = 7, rows = 20000, partitions = 2);

-- Everything, with whatever columns come.
CREATE TABLE events () PARTITION BY (event_date);
CREATE PIPELINE keep WITH (commit_interval = '1s')
AS INSERT INTO events SELECT *, event_time::date AS event_date FROM pop_events;

-- Some of it, in columns of our own.
CREATE TABLE alerts (event_id text NOT NULL, at timestamptz, tenant_id bigint, rule text, hits text);
CREATE PIPELINE alert WITH (commit_interval = '500ms')
AS INSERT INTO alerts
   SELECT event_id, event_time AS at, tenant_id, details ->> 'rule' AS rule, details -> 'hits' AS hits
   FROM pop_events WHERE event_type = 'security' AND severity = 'high';

FLUSH;

SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM alerts) AS alerts;

SELECT rule, count(*) FROM alerts GROUP BY 1 ORDER BY 2 DESC LIMIT 5;

SELECT job, partition, state FROM lakewire.job_inputs ORDER BY job, partition;
