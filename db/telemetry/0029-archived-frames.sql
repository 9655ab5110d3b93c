-- Files that keep records of Kafka beyond its retention (storage.archive_frames). The next run goes on at the greatest next_offset of a partition.
CREATE TABLE archived_frames (
  topic text COLLATE "C" NOT NULL,
  topic_id text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  from_offset bigint NOT NULL,
  next_offset bigint NOT NULL,
  day date NOT NULL,
  location text NOT NULL,
  records bigint NOT NULL,
  unreadable bigint NOT NULL,
  first_received timestamptz NOT NULL,
  last_received timestamptz NOT NULL,
  bytes bigint NOT NULL,
  sha256 text NOT NULL,
  state text NOT NULL CHECK (state IN ('placing', 'archived', 'removing', 'removed')),
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, topic_id, partition, from_offset)
);

COMMENT ON TABLE archived_frames IS 'Files with what devices sent, as it was in Kafka: storage.archive_frames, docs/frames-archive.md.';
COMMENT ON COLUMN archived_frames.topic_id IS 'Of Kafka: a topic that was deleted and made again has other offsets.';
COMMENT ON COLUMN archived_frames.next_offset IS 'The offset after the last one: the next file of the partition begins there, unless Kafka had deleted records by then.';
COMMENT ON COLUMN archived_frames.day IS 'Day (UTC) on which the first record was received: the folder of the file.';
COMMENT ON COLUMN archived_frames.location IS 'The directory, or s3://bucket/prefix, that the file is in.';
COMMENT ON COLUMN archived_frames.unreadable IS 'Records that were in a batch that cannot be read, and are not in the file.';
COMMENT ON COLUMN archived_frames.state IS 'placing: the file may be there, whole or not at all. archived. removing: storage.archive_frames_retention_days lets it go. removed.';
