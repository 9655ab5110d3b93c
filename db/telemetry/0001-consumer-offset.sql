-- Where each consumer goes on, kept in the transaction of the rows: what makes the sink effectively once.
CREATE TABLE consumer_offset (
  consumer text COLLATE "C" NOT NULL,
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  topic_id text NOT NULL,
  next_offset bigint,
  epoch bigint NOT NULL,
  stored bigint NOT NULL DEFAULT 0,
  repeated bigint NOT NULL DEFAULT 0,
  dead bigint NOT NULL DEFAULT 0,
  claimed_at timestamptz NOT NULL,
  committed_at timestamptz,
  PRIMARY KEY (consumer, topic, partition)
  -- Each row is updated with every batch. Room for its versions keeps the updates off the index (HOT).
) WITH (fillfactor = 50);

COMMENT ON TABLE consumer_offset IS 'Offsets and counts of consumers, committed together with what they wrote.';
COMMENT ON COLUMN consumer_offset.topic_id IS 'Kafka''s ID of the topic: a recreated topic has another one, and its offsets start anew.';
COMMENT ON COLUMN consumer_offset.next_offset IS 'First offset that is not done yet; null where nothing was committed.';
COMMENT ON COLUMN consumer_offset.epoch IS 'Raised by each new owner of the partition, so that the one before can no longer commit.';
COMMENT ON COLUMN consumer_offset.stored IS 'Rows that were new.';
COMMENT ON COLUMN consumer_offset.repeated IS 'Rows whose key was there already.';
COMMENT ON COLUMN consumer_offset.dead IS 'Dead letters.';
COMMENT ON COLUMN consumer_offset.claimed_at IS 'When the present owner took the partition.';
COMMENT ON COLUMN consumer_offset.committed_at IS 'When the last batch was committed.';
