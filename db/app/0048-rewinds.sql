-- What millrace rewind has done, for whoever asks later why records came twice.
CREATE TABLE rewind_run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer text COLLATE "C" NOT NULL,
  asked text NOT NULL,
  started_by text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  ending text CHECK (ending IN ('moved', 'refused', 'failed')),
  positions jsonb NOT NULL
);
COMMENT ON TABLE rewind_run IS 'Audit of millrace rewind: who moved which consumer back, when, from where to where.';
COMMENT ON COLUMN rewind_run.asked IS 'The place that was asked for: a time in UTC, or an offset.';
COMMENT ON COLUMN rewind_run.ended_at IS 'Null while it is under way, or if it was killed: then the positions say whether they were moved.';
COMMENT ON COLUMN rewind_run.ending IS 'moved. refused: somebody else moved the consumer meanwhile, and nothing was changed. failed: see ended_at.';
COMMENT ON COLUMN rewind_run.positions IS 'An object for each partition that was to be moved: topic, partition, topic_id, from, to. Offsets are texts.';
