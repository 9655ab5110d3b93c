-- The role and databases that Millrace's services use. Run as superuser at every start.
SELECT 'CREATE ROLE millrace LOGIN CREATEDB'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace') \gexec

-- Ops reads sessions and sizes; the benchmark asks for a checkpoint before it measures.
SELECT 'GRANT pg_monitor, pg_checkpoint TO millrace'
WHERE NOT pg_has_role('millrace', 'pg_checkpoint', 'MEMBER') \gexec

SELECT format('CREATE DATABASE %I OWNER millrace', name)
FROM unnest(ARRAY['telemetry', 'app']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec
