-- A position is never unknown: what is compared against nothing is equal to everything, so that a commit that a crash had taken back was not missed.
-- Rows that were claimed and never committed begin anew, as for a topic that nothing was read of: their next claim says where.
UPDATE consumer_offset SET next_offset = 0, topic_id = '' WHERE next_offset IS NULL;
ALTER TABLE consumer_offset ALTER COLUMN next_offset SET NOT NULL;
ALTER TABLE consumer_offset ADD COLUMN leader_epoch integer NOT NULL DEFAULT -1;

COMMENT ON COLUMN consumer_offset.topic_id IS 'Kafka''s ID of the topic: a recreated topic has another one, and its offsets start anew. Empty where nothing was read yet.';
COMMENT ON COLUMN consumer_offset.next_offset IS 'First offset that is not done yet: where the topic began, as long as nothing was committed.';
COMMENT ON COLUMN consumer_offset.leader_epoch IS 'Epoch of the partition''s leader that the records below were read from: a log that was cut below has a later one. -1 where it is not known.';
