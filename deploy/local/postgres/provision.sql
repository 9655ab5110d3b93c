-- The roles and databases that Millrace's services use. Run as superuser at every start.
SELECT 'CREATE ROLE millrace LOGIN CREATEDB'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace') \gexec

-- What the owner of the databases may give rights to (docs/roles.md). `millrace migrate` would make them too; but who starts before it should read what is missing.
SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['millrace_store', 'millrace_processes', 'millrace_reader', 'millrace_watch']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT 'ALTER ROLE millrace CREATEROLE'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace' AND rolcreaterole) \gexec

-- Ops reads sessions and sizes; the benchmark asks for a checkpoint before it measures.
SELECT 'GRANT pg_monitor, pg_checkpoint TO millrace'
WHERE NOT pg_has_role('millrace', 'pg_checkpoint', 'MEMBER') \gexec

SELECT 'GRANT pg_read_all_stats TO millrace_watch'
WHERE NOT pg_has_role('millrace_watch', 'pg_read_all_stats', 'MEMBER') \gexec

SELECT format('CREATE DATABASE %I OWNER millrace', name)
FROM unnest(ARRAY['telemetry', 'app']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
