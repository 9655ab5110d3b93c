-- Days of readings that are Parquet files. A day is in the archive if it has a row here that is not placing, and the file with this checksum is what counts.
CREATE TABLE archived_days (
  day date PRIMARY KEY,
  location text NOT NULL,
  generation integer NOT NULL,
  rows bigint NOT NULL,
  bytes bigint NOT NULL,
  sha256 text NOT NULL,
  merged bigint NOT NULL,
  repeated bigint NOT NULL,
  conflicts bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('placing', 'archived', 'replacing', 'replaced', 'removing')),
  archived_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE archived_days IS 'Days (UTC) of readings that are in the archive: storage.archive, docs/archive.md.';
COMMENT ON COLUMN archived_days.location IS 'The archive that it is in: a directory, or s3://bucket/prefix. The files are in its folder date=<day>.';
COMMENT ON COLUMN archived_days.generation IS '1, and one more each time that late rows were merged into the file.';
COMMENT ON COLUMN archived_days.sha256 IS 'Checksum of the file, as in its manifest.';
COMMENT ON COLUMN archived_days.merged IS 'Late rows that added a value to an archived row of their device and time.';
COMMENT ON COLUMN archived_days.repeated IS 'Late rows that had nothing new.';
COMMENT ON COLUMN archived_days.conflicts IS 'Late rows with another value than the archived one; store.conflicts says which one stayed.';
COMMENT ON COLUMN archived_days.state IS 'placing: the rows are in the table still. archived. replacing: a file with late rows may have taken the place of the one that counts, which is kept beside it. replaced: the new one counts, the old one is still there. removing: storage.archive_retention_days lets it go.';

-- A row for each change of readings of a day that is being archived: the day is exported again.
CREATE TABLE archive_touch (day date NOT NULL);

COMMENT ON TABLE archive_touch IS 'Changes to days while they are exported. The trigger millrace_archiving of their partition or chunk writes it.';

CREATE FUNCTION archive_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO archive_touch VALUES (CAST(TG_ARGV[0] AS date));
  RETURN NULL;
END $$;
