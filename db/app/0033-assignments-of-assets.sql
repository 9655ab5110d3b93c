-- An assignment of a device that was swapped is of one asset: it does not reach beyond the time in which the device measured that one. Otherwise a hive that is moved
-- in the past, by the device that it had then, would be counted where it is and where that device lies.
CREATE FUNCTION check_assignments_of_assets() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong record;
BEGIN
  SELECT d.device_id, d.asset_id, d.valid INTO wrong FROM changed c
  JOIN asset_devices d ON d.device_id = c.device_id AND d.valid && c.valid AND NOT d.valid @> c.valid LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'device % measures % only %: expected an assignment within or outside that time', wrong.device_id, wrong.asset_id,
      concat_ws(' ', 'from ' || lower(wrong.valid), 'to ' || upper(wrong.valid))
      USING ERRCODE = 'check_violation', HINT = 'millrace devices history';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER assignments_of_assets_inserted AFTER INSERT ON assignments REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION check_assignments_of_assets();
CREATE TRIGGER assignments_of_assets_changed AFTER UPDATE ON assignments REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION check_assignments_of_assets();

-- As before, but what meets where the device was swapped stays apart.
CREATE OR REPLACE FUNCTION assign_within(device text, account bigint, site bigint, part tstzrange) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH cut AS (
    DELETE FROM assignments WHERE device_id = device AND valid && part RETURNING account_id, site_id, valid
  ), kept AS (
    SELECT account_id, site_id, unnest(tstzmultirange(valid) - tstzmultirange(part)) AS valid FROM cut
  )
  INSERT INTO assignments (device_id, account_id, site_id, valid) SELECT device, account_id, site_id, valid FROM kept;
  IF account IS NOT NULL THEN
    WITH beside AS (
      DELETE FROM assignments a WHERE device_id = device AND account_id = account AND site_id IS NOT DISTINCT FROM site AND a.valid -|- part
        AND NOT EXISTS (
          SELECT FROM asset_devices d WHERE d.device_id = device AND greatest(lower(a.valid), lower(part)) IN (lower(d.valid), upper(d.valid)))
      RETURNING a.valid
    ), parts AS (SELECT valid FROM beside UNION ALL SELECT part)
    INSERT INTO assignments (device_id, account_id, site_id, valid) SELECT device, account, site, range_merge(range_agg(valid)) FROM parts;
  END IF;
END
$$;
