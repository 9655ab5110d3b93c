-- Rows of one device and time merge by column: what became of them is counted beside what was new.
ALTER TABLE consumer_offset
  ADD COLUMN merged bigint NOT NULL DEFAULT 0,
  ADD COLUMN conflicts bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN consumer_offset.repeated IS 'Rows that had nothing new.';
COMMENT ON COLUMN consumer_offset.merged IS 'Rows that added a quantity to the row of their device and time.';
COMMENT ON COLUMN consumer_offset.conflicts IS 'Rows that had another value than the row of their device and time.';

-- A row for each device that ever had one: as many as there are devices, at most.
CREATE TABLE reading_conflict (
  device_id text COLLATE "C" PRIMARY KEY,
  conflicts bigint NOT NULL,
  last_at timestamptz NOT NULL,
  ts timestamptz NOT NULL,
  quantity text NOT NULL,
  kept double precision NOT NULL,
  refused double precision NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE reading_conflict IS 'Devices that sent two different values for one time. The setting store.conflicts says which one is kept.';
COMMENT ON COLUMN reading_conflict.conflicts IS 'Rows that had another value than the row of their time.';
COMMENT ON COLUMN reading_conflict.last_at IS 'When the store met the last one; the columns after it are about that one.';
COMMENT ON COLUMN reading_conflict.quantity IS 'Column of readings: the first one that differed.';
