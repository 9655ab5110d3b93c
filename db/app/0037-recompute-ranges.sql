-- Of ranges that overlap, the newest holds. So what a new one covers of the others is taken from them, and it takes in those before and after it that say the
-- same. The ranges of a device never overlap, and there are no more of them than it moved.
CREATE FUNCTION note_recompute_range() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  old recompute_ranges%ROWTYPE;
BEGIN
  -- Whoever notes one of this device at the same time waits.
  PERFORM FROM devices WHERE id = NEW.device_id FOR NO KEY UPDATE;
  FOR old IN SELECT * FROM recompute_ranges WHERE device_id = NEW.device_id AND since <= NEW.until AND until >= NEW.since ORDER BY since LOOP
    IF (old.account_id, old.site_id) IS NOT DISTINCT FROM (NEW.account_id, NEW.site_id) THEN
      DELETE FROM recompute_ranges WHERE id = old.id;
      NEW.since := least(NEW.since, old.since);
      NEW.until := greatest(NEW.until, old.until);
      NEW.noted_at := least(NEW.noted_at, old.noted_at);
    ELSIF old.since < NEW.since AND old.until > NEW.until THEN
      UPDATE recompute_ranges SET until = NEW.since WHERE id = old.id;
      INSERT INTO recompute_ranges (device_id, since, until, account_id, site_id, noted_at)
      VALUES (old.device_id, NEW.until, old.until, old.account_id, old.site_id, old.noted_at);
    ELSIF old.since >= NEW.since AND old.until <= NEW.until THEN
      DELETE FROM recompute_ranges WHERE id = old.id;
    ELSIF old.since < NEW.since THEN
      UPDATE recompute_ranges SET until = least(until, NEW.since) WHERE id = old.id;
    ELSE
      UPDATE recompute_ranges SET since = greatest(since, NEW.until) WHERE id = old.id;
    END IF;
  END LOOP;
  RETURN NEW;
END
$$;
CREATE TRIGGER recompute_ranges_noted BEFORE INSERT ON recompute_ranges FOR EACH ROW EXECUTE FUNCTION note_recompute_range();

-- Those so far, in the order in which they were noted.
DO $$
DECLARE
  ranges recompute_ranges[] := ARRAY(SELECT r FROM recompute_ranges r ORDER BY id);
  each recompute_ranges;
BEGIN
  DELETE FROM recompute_ranges;
  FOREACH each IN ARRAY ranges LOOP
    INSERT INTO recompute_ranges (device_id, since, until, account_id, site_id, noted_at)
    VALUES (each.device_id, each.since, each.until, each.account_id, each.site_id, each.noted_at);
  END LOOP;
END
$$;
COMMENT ON TABLE recompute_ranges IS 'Readings of a device from since (inclusive) to until (exclusive) may have another account or site than this one. The ranges of a device do not overlap.';
