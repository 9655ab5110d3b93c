-- Where sites are, so that hives that come to rest find theirs, or found one.
CREATE FUNCTION metres_between(latitude_a double precision, longitude_a double precision, latitude_b double precision, longitude_b double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN 2 * 6371008.8 * asin(least(1, sqrt(
  power(sin(radians(latitude_b - latitude_a) / 2), 2)
  + cos(radians(latitude_a)) * cos(radians(latitude_b)) * power(sin(radians(longitude_b - longitude_a) / 2), 2))));
COMMENT ON FUNCTION metres_between IS 'Along the great circle (haversine).';

ALTER TABLE sites
  ADD COLUMN kind text NOT NULL DEFAULT 'orchard' CHECK (kind IN ('orchard', 'storage')),
  ADD COLUMN latitude double precision CHECK (latitude BETWEEN -90 AND 90),
  ADD COLUMN longitude double precision CHECK (longitude BETWEEN -180 AND 180),
  ADD COLUMN radius_metres double precision NOT NULL DEFAULT 500 CHECK (radius_metres > 0 AND radius_metres <= 20000),
  ADD COLUMN founded boolean NOT NULL DEFAULT false,
  -- What no other founded site may touch: boxes of 0.3 radii to each side overlap only if their centres are less than 0.85 radii apart. A degree of longitude
  -- is taken at the site's own latitude.
  ADD COLUMN core box GENERATED ALWAYS AS (
    CASE WHEN founded AND radius_metres >= 500 THEN box(
      point(longitude - 150 / (111195 * greatest(cos(radians(latitude)), 0.01)), latitude - 150 / 111195.0),
      point(longitude + 150 / (111195 * greatest(cos(radians(latitude)), 0.01)), latitude + 150 / 111195.0)) END
  ) STORED,
  ADD CONSTRAINT sites_position CHECK ((latitude IS NULL) = (longitude IS NULL)),
  -- The net below the lock: two sites for one place are an error, never a fact.
  ADD CONSTRAINT sites_apart EXCLUDE USING gist (account_id WITH =, core WITH &&);
CREATE INDEX sites_latitude ON sites (account_id, latitude);
COMMENT ON COLUMN sites.kind IS 'Hives at an orchard are deployed, those in a storage are not.';
COMMENT ON COLUMN sites.latitude IS 'Degrees, WGS 84; null until it is known.';
COMMENT ON COLUMN sites.radius_metres IS 'Hives that come to rest within it belong to the site.';
COMMENT ON COLUMN sites.founded IS 'Created because hives came to rest where no site was known.';

-- Whoever creates or merges sites of an account holds this lock until the end of the transaction. Of several accounts, take the lowest first.
CREATE FUNCTION lock_sites(account bigint) RETURNS void LANGUAGE sql
AS $$ SELECT pg_advisory_xact_lock(1936292965, hashint8(account)) $$;

-- The site of an account that a place belongs to: the nearest; null if there is none. It cannot be merged away before the end of the transaction.
CREATE FUNCTION site_at(account bigint, at_latitude double precision, at_longitude double precision) RETURNS bigint LANGUAGE sql AS $$
  -- 0.2 degrees are more than the largest radius.
  SELECT id FROM sites WHERE account_id = account AND latitude BETWEEN at_latitude - 0.2 AND at_latitude + 0.2
    AND metres_between(latitude, longitude, at_latitude, at_longitude) <= radius_metres
  ORDER BY metres_between(latitude, longitude, at_latitude, at_longitude), id LIMIT 1 FOR KEY SHARE
$$;

-- The same, but creates the site if there is none: once, however many ask at one time. A site that was named before anybody knew where it is takes the place.
CREATE FUNCTION found_site(account bigint, at_latitude double precision, at_longitude double precision, named bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  site bigint := site_at(account, at_latitude, at_longitude);
BEGIN
  IF site IS NOT NULL THEN RETURN site; END IF;
  PERFORM lock_sites(account);
  -- Whoever had the lock before may have created it. READ COMMITTED: this statement sees that.
  site := site_at(account, at_latitude, at_longitude);
  IF site IS NOT NULL THEN RETURN site; END IF;
  UPDATE sites SET latitude = at_latitude, longitude = at_longitude
  WHERE id = named AND account_id = account AND latitude IS NULL RETURNING id INTO site;
  IF site IS NOT NULL THEN RETURN site; END IF;
  site := nextval(pg_get_serial_sequence('sites', 'id'));
  INSERT INTO sites (id, account_id, name, latitude, longitude, founded) OVERRIDING SYSTEM VALUE
  VALUES (site, account, format('%s, %s (site %s)', round(at_latitude::numeric, 4), round(at_longitude::numeric, 4), site), at_latitude, at_longitude, true);
  RETURN site;
END
$$;

-- Readings that were enriched before it was known where their device was.
CREATE TABLE recompute_ranges (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  device_id text COLLATE "C" NOT NULL REFERENCES devices ON DELETE CASCADE,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  account_id bigint NOT NULL REFERENCES accounts,
  site_id bigint REFERENCES sites ON DELETE CASCADE,
  noted_at timestamptz NOT NULL DEFAULT now(),
  CHECK (since < until)
);
CREATE INDEX recompute_ranges_device ON recompute_ranges (device_id, since);
CREATE INDEX recompute_ranges_site ON recompute_ranges (site_id);
COMMENT ON TABLE recompute_ranges IS 'Readings of a device from since (inclusive) to until (exclusive) may have another account or site than this one. Of ranges that overlap, the one with the highest id holds.';

-- Assigns a device from a moment on, within its account, up to the end of its present assignment. Does nothing, and says false, if it has no assignment then, or
-- a later one: somebody knew better.
CREATE FUNCTION assign_from(device text, site bigint, since timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  present assignments%ROWTYPE;
BEGIN
  -- Whoever moves it by hand waits, and so do we.
  PERFORM FROM devices WHERE id = device FOR UPDATE;
  SELECT * INTO present FROM assignments WHERE device_id = device AND (upper_inf(valid) OR upper(valid) > since) ORDER BY lower(valid) DESC NULLS LAST LIMIT 1;
  IF NOT FOUND OR lower(present.valid) > since THEN RETURN false; END IF;
  IF present.site_id IS NOT DISTINCT FROM site THEN RETURN true; END IF;
  IF lower(present.valid) = since THEN
    UPDATE assignments SET site_id = site WHERE device_id = device AND valid = present.valid;
  ELSE
    UPDATE assignments SET valid = tstzrange(lower(present.valid), since) WHERE device_id = device AND valid = present.valid;
    INSERT INTO assignments (device_id, account_id, site_id, valid) VALUES (device, present.account_id, site, tstzrange(since, upper(present.valid)));
  END IF;
  -- A minute more, in which the caches of the line learn of it.
  INSERT INTO recompute_ranges (device_id, since, until, account_id, site_id)
  VALUES (device, since, least(upper(present.valid), greatest(since, clock_timestamp()) + interval '1 minute'), present.account_id, site);
  RETURN true;
END
$$;
