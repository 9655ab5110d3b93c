-- As before, but the INSERT gives the site its number: whoever founds one needs no right on the sequence.
CREATE OR REPLACE FUNCTION found_site(account bigint, at_latitude double precision, at_longitude double precision, named bigint) RETURNS bigint LANGUAGE plpgsql AS $$
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
  -- Its name has the number, so it comes after. Until then it has one that nobody else has.
  INSERT INTO sites (account_id, name, latitude, longitude, founded)
  VALUES (account, gen_random_uuid(), at_latitude, at_longitude, true) RETURNING id INTO site;
  UPDATE sites SET name = format('%s, %s (site %s)', round(at_latitude::numeric, 4), round(at_longitude::numeric, 4), site) WHERE id = site;
  RETURN site;
END
$$;
