-- What business processes send to Kafka: written in the transaction of their changes, sent afterwards, in order of id, at least once.
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  process text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  key bytea NOT NULL,
  value bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_order ON outbox (process, id);
COMMENT ON TABLE outbox IS 'Records of business processes that Kafka has not acknowledged yet.';
COMMENT ON COLUMN outbox.process IS 'Whose: its service sends them, and deletes what Kafka has acknowledged.';
COMMENT ON COLUMN outbox.value IS 'As it is sent: in the wire format of the registry.';
