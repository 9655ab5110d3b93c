-- TimescaleDB in the telemetry database. Run as superuser at every start.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS timescaledb;

-- The Apache edition comes with this job and refuses to run it: an error in the log at each start, for nothing.
UPDATE _timescaledb_config.bgw_job SET scheduled = false
WHERE proc_name = 'policy_job_stat_history_retention' AND scheduled
  AND current_setting('timescaledb.license') = 'apache';
