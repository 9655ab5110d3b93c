-- Tables that processors look up: `millrace migrate` gives each a trigger of this function. Caches listen to lookup_table_change; the
-- payload is the OID of the table, which says more than its name: a table may be renamed, and another one take its name.
CREATE FUNCTION notify_lookup_table() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_catalog.pg_notify('lookup_table_change', TG_RELID::text);
  RETURN NULL;
END
$$;
