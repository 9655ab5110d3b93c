-- Hives per orchard: counted from the assignments, which say so for every moment. Nothing is kept that could be wrong.
CREATE INDEX assignments_site ON assignments (site_id);

CREATE FUNCTION hives_deployed(at timestamptz) RETURNS TABLE (account_id bigint, site_id bigint, name text, hives bigint) LANGUAGE sql STABLE AS $$
  SELECT s.account_id, s.id, s.name, count(a.device_id)
  FROM sites s LEFT JOIN assignments a ON a.site_id = s.id AND a.valid @> at
  WHERE s.kind = 'orchard' GROUP BY s.id
$$;
COMMENT ON FUNCTION hives_deployed IS 'Hives at each orchard at a moment.';

CREATE FUNCTION hives_deployed(site bigint, at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT count(*) FROM sites s JOIN assignments a ON a.site_id = s.id AND a.valid @> at WHERE s.id = site AND s.kind = 'orchard'
$$;
COMMENT ON FUNCTION hives_deployed(bigint, timestamptz) IS 'Hives at one orchard at a moment; 0 for a storage.';

CREATE VIEW deployments AS SELECT * FROM hives_deployed(now());
COMMENT ON VIEW deployments IS 'Hives at each orchard now.';

CREATE VIEW deployment_history AS
SELECT account_id, site_id, at, sum(sum(change)) OVER (PARTITION BY site_id ORDER BY at)::bigint AS hives
FROM (
  SELECT a.account_id, a.site_id, coalesce(lower(a.valid), '-infinity') AS at, 1 AS change FROM assignments a
  UNION ALL
  SELECT a.account_id, a.site_id, upper(a.valid), -1 FROM assignments a WHERE NOT upper_inf(a.valid)
) changes JOIN sites s USING (account_id)
WHERE s.id = site_id AND s.kind = 'orchard'
GROUP BY account_id, site_id, at HAVING sum(change) <> 0;
COMMENT ON VIEW deployment_history IS 'Hives at each orchard from each moment at which their number changed.';

-- Makes one site of two of an account: all that was ever at the first was at the second. The second's radius grows to take in the first, and the first is gone.
CREATE FUNCTION merge_sites(gone bigint, kept bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  account bigint;
  old sites%ROWTYPE;
BEGIN
  SELECT account_id INTO account FROM sites WHERE id = kept;
  IF account IS NULL OR gone = kept THEN RAISE EXCEPTION 'merging site % into %: expected two sites that exist', gone, kept; END IF;
  PERFORM lock_sites(account);
  -- Whoever found one of them and is about to assign a device to it is waited for; whoever comes later finds what is left.
  PERFORM FROM sites WHERE id IN (gone, kept) ORDER BY id FOR UPDATE;
  SELECT * INTO old FROM sites WHERE id = gone AND account_id = account;
  IF old.id IS NULL THEN RAISE EXCEPTION 'merging site % into %: expected two sites of one account', gone, kept; END IF;
  INSERT INTO recompute_ranges (device_id, since, until, account_id, site_id)
  SELECT device_id, coalesce(lower(valid), '-infinity'), least(upper(valid), clock_timestamp() + interval '1 minute'), account_id, kept
  FROM assignments WHERE site_id = gone AND coalesce(lower(valid), '-infinity') < clock_timestamp();
  UPDATE assignments SET site_id = kept WHERE site_id = gone;
  UPDATE movements SET site_id = kept WHERE site_id = gone;
  UPDATE recompute_ranges SET site_id = kept WHERE site_id = gone;
  DELETE FROM sites WHERE id = gone;
  UPDATE sites SET latitude = coalesce(latitude, old.latitude), longitude = coalesce(longitude, old.longitude),
    radius_metres = least(20000, greatest(radius_metres,
      coalesce(metres_between(latitude, longitude, old.latitude, old.longitude) + old.radius_metres, radius_metres)))
  WHERE id = kept;
END
$$;
COMMENT ON FUNCTION merge_sites IS 'Makes one site of two of an account: merge_sites(gone, kept).';
