-- What roll-ups still have to learn of. Each transaction that changes readings says here which hours of which devices it changed: plain inserts, no key, so that no writer waits for another.
CREATE TABLE rollup_mark (
  hour timestamptz NOT NULL,
  devices text[] COLLATE "C" NOT NULL,
  firsts bigint[] NOT NULL,
  lasts bigint[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

COMMENT ON TABLE rollup_mark IS 'Hours of devices whose readings were changed, as their writers left them. The job of the roll-ups moves them to rollup_pending.';
COMMENT ON COLUMN rollup_mark.firsts IS 'For each of devices: microseconds from the start of the hour to the first reading that was changed.';
COMMENT ON COLUMN rollup_mark.lasts IS 'The same to the last one.';

CREATE TABLE rollup_pending (
  device_id text COLLATE "C" NOT NULL,
  hour timestamptz NOT NULL,
  from_ts timestamptz NOT NULL,
  to_ts timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  PRIMARY KEY (device_id, hour)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX rollup_pending_due ON rollup_pending (due_at);

COMMENT ON TABLE rollup_pending IS 'Hours of devices whose roll-ups are to be brought up to date. Until then the views compute them from readings.';
COMMENT ON COLUMN rollup_pending.from_ts IS 'First reading that was changed. If the kept roll-up ends before it, only what comes after has to be read.';
COMMENT ON COLUMN rollup_pending.to_ts IS 'Last reading that was changed. Later ones have marks of their own, and are left to them.';

CREATE VIEW rollup_marked AS
  SELECT u.device_id COLLATE "C" AS device_id, m.hour, m.hour + u.first * interval '1 microsecond' AS from_ts
  FROM rollup_mark AS m, unnest(m.devices, m.firsts) AS u (device_id, first);

COMMENT ON VIEW rollup_marked IS 'rollup_mark, one row for each device.';

-- For whoever changes readings without saying so: a store of a version before roll-ups, somebody with psql. Millrace's own sessions set millrace.marks, and the trigger's condition leaves their rows out.
CREATE FUNCTION rollup_mark_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND isfinite(OLD.ts) THEN
    INSERT INTO rollup_mark
    SELECT hour, ARRAY[OLD.device_id], ARRAY[micros], ARRAY[micros]
    FROM date_bin('1 hour', OLD.ts, 'epoch') AS hour, CAST(extract(epoch FROM OLD.ts - hour) * 1000000 AS bigint) AS micros;
  END IF;
  IF TG_OP <> 'DELETE' AND isfinite(NEW.ts) THEN
    INSERT INTO rollup_mark
    SELECT hour, ARRAY[NEW.device_id], ARRAY[micros], ARRAY[micros]
    FROM date_bin('1 hour', NEW.ts, 'epoch') AS hour, CAST(extract(epoch FROM NEW.ts - hour) * 1000000 AS bigint) AS micros;
  END IF;
  RETURN NULL;
END $$;

-- Days of devices whose roll-up is to be summed up again from their hours.
CREATE TABLE rollup_pending_day (
  device_id text COLLATE "C" NOT NULL,
  day timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  PRIMARY KEY (device_id, day)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX rollup_pending_day_due ON rollup_pending_day (due_at);

COMMENT ON TABLE rollup_pending_day IS 'Days of devices whose roll-ups are to be brought up to date. Until then the view computes them from the hours.';

-- Days (UTC) whose readings were dropped or archived: their roll-ups are all that is left of them. Readings that come later are added to the roll-ups.
CREATE TABLE rollup_dropped (day timestamptz PRIMARY KEY);

-- One row: what the functions and views of the roll-ups were made from. `millrace migrate` makes them anew if that changed.
CREATE TABLE rollup_shape (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  checksum text NOT NULL,
  filled boolean NOT NULL DEFAULT false
);

COMMENT ON COLUMN rollup_shape.filled IS 'Whether the hours of readings that are older than the roll-ups are in rollup_pending, or past it.';
