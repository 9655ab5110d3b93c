-- Which frame numbers have come to which end, kept by the process `continuity` in one transaction with its offsets.
CREATE TABLE continuity_boot (
  device_id text COLLATE "C" NOT NULL,
  boot integer NOT NULL,
  next_number bigint NOT NULL,
  begins_at bigint NOT NULL,
  stored int8multirange NOT NULL,
  dead int8multirange NOT NULL,
  partly_dead int8multirange NOT NULL,
  dropped bigint NOT NULL,
  first_sample timestamptz,
  last_sample timestamptz,
  first_received timestamptz NOT NULL,
  last_received timestamptz NOT NULL,
  PRIMARY KEY (device_id, boot)
  -- Rows of devices that send are rewritten every few seconds: room on the page keeps that off the index (HOT).
) WITH (fillfactor = 50);

COMMENT ON TABLE continuity_boot IS 'Frame numbers of each boot of each device; `millrace continuity` adds what is in flight.';
COMMENT ON COLUMN continuity_boot.next_number IS 'One more than the highest number of a whole frame: how many the device is known to have numbered.';
COMMENT ON COLUMN continuity_boot.begins_at IS 'Lower numbers went by before the ledger was begun.';
COMMENT ON COLUMN continuity_boot.stored IS 'Frames that the store has committed.';
COMMENT ON COLUMN continuity_boot.dead IS 'Frames that became dead letters whole; one that is in stored too was redriven.';
COMMENT ON COLUMN continuity_boot.partly_dead IS 'Frames of which single samples became dead letters.';
COMMENT ON COLUMN continuity_boot.dropped IS 'Samples that the device itself reports to have discarded.';
COMMENT ON COLUMN continuity_boot.first_sample IS 'First sample of the earliest frame; null where none had a time of day.';
COMMENT ON COLUMN continuity_boot.last_sample IS 'First sample of the latest frame.';

CREATE TABLE continuity_device (
  device_id text COLLATE "C" PRIMARY KEY,
  unnumbered bigint NOT NULL,
  unreadable bigint NOT NULL,
  conflicts bigint NOT NULL,
  last_conflict timestamptz
);

COMMENT ON TABLE continuity_device IS 'What is counted of a device beside its frame numbers.';
COMMENT ON COLUMN continuity_device.unnumbered IS 'Readings and dead letters of JSON messages, which carry no number.';
COMMENT ON COLUMN continuity_device.unreadable IS 'Dead letters out of which no number can be read.';
COMMENT ON COLUMN continuity_device.conflicts IS 'Frames that contradict those before them: two devices use this ID.';
