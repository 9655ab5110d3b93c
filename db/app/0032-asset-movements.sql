-- A state of movement is of an asset: a hive whose device is swapped has not moved.
DROP VIEW movement_states;

ALTER TABLE movement_tracks RENAME COLUMN device_id TO asset_id;
ALTER TABLE movement_tracks
  DROP CONSTRAINT movement_tracks_device_id_fkey,
  ADD COLUMN named_after text COLLATE "C" GENERATED ALWAYS AS (split_part(asset_id, '.', 1)) STORED REFERENCES devices ON DELETE CASCADE;
CREATE INDEX movement_tracks_named_after ON movement_tracks (named_after);
COMMENT ON TABLE movement_tracks IS 'What movement remembers of an asset: its latest fixes, where it rests, where it may have come to rest.';

ALTER TABLE movements RENAME COLUMN device_id TO asset_id;
ALTER TABLE movements
  DROP CONSTRAINT movements_device_id_fkey,
  ADD COLUMN named_after text COLLATE "C" GENERATED ALWAYS AS (split_part(asset_id, '.', 1)) STORED REFERENCES devices ON DELETE CASCADE;
CREATE INDEX movements_named_after ON movements (named_after);
COMMENT ON TABLE movements IS 'When each asset came to rest and left: each row holds until the next of its asset.';

CREATE VIEW movement_states AS
SELECT DISTINCT ON (m.asset_id) m.asset_id, p.device_id,
  CASE WHEN m.state = 'transit' THEN 'transit' WHEN s.kind = 'storage' THEN 'storage' WHEN s.kind = 'orchard' THEN 'deployed' ELSE 'unknown' END AS state,
  m.since, m.site_id, m.latitude, m.longitude, m.confidence, m.fixes, m.decided_at
FROM movements m JOIN asset_periods p ON p.asset_id = m.asset_id AND p.valid @> now() LEFT JOIN sites s ON s.id = m.site_id
-- What was taken off and put on nothing is no asset.
WHERE strpos(m.asset_id, '.') = 0 OR EXISTS (SELECT FROM asset_assignments a WHERE a.asset_id = m.asset_id AND a.valid @> now())
ORDER BY m.asset_id, m.since DESC;
COMMENT ON VIEW movement_states IS 'The present state of each asset that a device measures now and whose fixes told one: storage, transit, deployed; unknown at rest without a site.';

-- Assigns an asset from a moment on, within its account, up to the end of its present assignment, whichever devices measure it. Does nothing, and says false, if it has no
-- assignment then, or a later one: somebody knew better.
CREATE FUNCTION assign_asset_from(asset text, site bigint, since timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  present asset_stays%ROWTYPE;
  part asset_assignments%ROWTYPE;
BEGIN
  -- Whoever moves one by hand waits, and so do we.
  PERFORM FROM devices WHERE id IN (SELECT device_id FROM asset_periods WHERE asset_id = asset) ORDER BY id FOR UPDATE;
  SELECT * INTO present FROM asset_stays WHERE asset_id = asset AND (upper_inf(valid) OR upper(valid) > since) ORDER BY lower(valid) DESC NULLS LAST LIMIT 1;
  IF NOT FOUND OR lower(present.valid) > since THEN RETURN false; END IF;
  IF present.site_id IS NOT DISTINCT FROM site THEN RETURN true; END IF;
  FOR part IN
    SELECT asset_id, device_id, account_id, site_id, valid * tstzrange(since, NULL) FROM asset_assignments
    WHERE asset_id = asset AND valid && (present.valid * tstzrange(since, NULL)) ORDER BY lower(valid) NULLS FIRST
  LOOP
    PERFORM assign_within(part.device_id, part.account_id, site, part.valid);
    INSERT INTO recompute_ranges (device_id, since, until, account_id, site_id)
    SELECT part.device_id, lower(part.valid), until, part.account_id, site
    -- A minute more, in which the caches of the line learn of it.
    FROM least(upper(part.valid), greatest(since, clock_timestamp()) + interval '1 minute') AS until WHERE lower(part.valid) < until;
  END LOOP;
  RETURN true;
END
$$;

-- Gives a device another assignment, or none if the account is null, for some of its time. What it was assigned to before and after stays; assignments to the same that meet are one.
CREATE FUNCTION assign_within(device text, account bigint, site bigint, part tstzrange) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH cut AS (
    DELETE FROM assignments WHERE device_id = device AND valid && part RETURNING account_id, site_id, valid
  ), kept AS (
    SELECT account_id, site_id, unnest(tstzmultirange(valid) - tstzmultirange(part)) AS valid FROM cut
  )
  INSERT INTO assignments (device_id, account_id, site_id, valid) SELECT device, account_id, site_id, valid FROM kept;
  IF account IS NOT NULL THEN
    WITH beside AS (
      DELETE FROM assignments a WHERE device_id = device AND account_id = account AND site_id IS NOT DISTINCT FROM site AND a.valid -|- part RETURNING a.valid
    ), parts AS (SELECT valid FROM beside UNION ALL SELECT part)
    INSERT INTO assignments (device_id, account_id, site_id, valid) SELECT device, account, site, range_merge(range_agg(valid)) FROM parts;
  END IF;
END
$$;

-- Process movement goes by assets now: assign_asset_from.
DROP FUNCTION assign_from(text, bigint, timestamptz);
