-- What millrace recompute has done, for whoever asks later why rows of the past are other ones.
CREATE TABLE recompute_run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  devices text[] COLLATE "C" NOT NULL,
  from_ts timestamptz NOT NULL,
  to_ts timestamptz NOT NULL,
  asked jsonb NOT NULL,
  basis text NOT NULL,
  started_by text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'filling' CHECK (state IN ('filling', 'applying', 'reported', 'applied', 'abandoned')),
  ended_at timestamptz,
  report jsonb
);

COMMENT ON TABLE recompute_run IS 'Audit of millrace recompute: who recomputed which devices and which time, and what came of it.';
COMMENT ON COLUMN recompute_run.devices IS 'Devices, each with its channels.';
COMMENT ON COLUMN recompute_run.asked IS 'Options that decide what becomes of the rows: apply, and delete (none, rows, values or all).';
COMMENT ON COLUMN recompute_run.basis IS 'Checksum of all that the rows follow from beside the frames: conversions, dialects, assignments, quantities, topics. A run is gone on with only if it is the same.';
COMMENT ON COLUMN recompute_run.state IS 'filling: frames become rows of a shadow table. applying: these replace those of readings, day by day. reported: a dry run that is over. applied. abandoned: another run began in its place; what recompute_day says was applied stays.';
COMMENT ON COLUMN recompute_run.report IS 'What differed: rows, and quantities with the differences.';

-- Days that were replaced, each written in the transaction that did it.
CREATE TABLE recompute_day (
  run bigint NOT NULL REFERENCES recompute_run (id),
  day date NOT NULL,
  restored boolean NOT NULL DEFAULT false,
  applied_at timestamptz,
  inserted bigint NOT NULL DEFAULT 0,
  updated bigint NOT NULL DEFAULT 0,
  deleted bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (run, day)
);

COMMENT ON TABLE recompute_day IS 'Days (UTC) of millrace recompute: how many rows of readings it inserted, updated and deleted.';
COMMENT ON COLUMN recompute_day.restored IS 'The day was in the archive: the run brings it back for this, and leaves it to the store to archive it again.';
