-- What redrives have done: one row for each run, for whoever asks later, and one for each dead letter that is settled.
CREATE TABLE redrive_run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  processor text COLLATE "C" NOT NULL,
  started_by text NOT NULL,
  filters jsonb NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  ending text CHECK (ending IN ('finished', 'interrupted', 'failed')),
  succeeded bigint NOT NULL DEFAULT 0,
  partly_succeeded bigint NOT NULL DEFAULT 0,
  failed_again bigint NOT NULL DEFAULT 0,
  dropped bigint NOT NULL DEFAULT 0,
  repeats bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE redrive_run IS 'Audit of millrace redrive: who ran it, when, over what, and what came of it.';
COMMENT ON COLUMN redrive_run.ended_at IS 'Null while it runs, or where it was killed: the dead letters that it had settled stay settled.';
COMMENT ON COLUMN redrive_run.succeeded IS 'Dead letters that their processor now takes.';
COMMENT ON COLUMN redrive_run.partly_succeeded IS 'Dead letters of which some samples were taken; the others are dead letters again.';
COMMENT ON COLUMN redrive_run.failed_again IS 'Dead letters that are dead letters again, with one attempt more.';
COMMENT ON COLUMN redrive_run.dropped IS 'Dead letters that their processor now leaves out on purpose.';
COMMENT ON COLUMN redrive_run.repeats IS 'Dead letters that say what another one said already.';

CREATE TABLE redriven_dead_letter (
  topic text COLLATE "C" NOT NULL,
  topic_id text NOT NULL,
  partition integer NOT NULL,
  dead_letter_offset bigint NOT NULL,
  run bigint NOT NULL REFERENCES redrive_run,
  outcome text NOT NULL CHECK (outcome IN ('succeeded', 'partly-succeeded', 'failed-again', 'dropped', 'repeat')),
  PRIMARY KEY (topic, topic_id, partition, dead_letter_offset)
);
COMMENT ON TABLE redriven_dead_letter IS 'Dead letters that no redrive needs to see again. Those that Kafka''s retention has deleted are forgotten by the next redrive.';
COMMENT ON COLUMN redriven_dead_letter.topic_id IS 'Kafka''s ID of the topic: a recreated topic has another one.';
