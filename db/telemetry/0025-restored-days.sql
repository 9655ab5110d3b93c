-- Days that were brought back from the archive.
ALTER TABLE archived_days DROP CONSTRAINT archived_days_state_check;
ALTER TABLE archived_days ADD CONSTRAINT archived_days_state_check
  CHECK (state IN ('placing', 'archived', 'replacing', 'replaced', 'removing', 'restored', 'kept'));

COMMENT ON COLUMN archived_days.state IS 'placing: the rows are in the table still. archived. replacing: a file with late rows may have taken the place of the one that counts, which is kept beside it. replaced: the new one counts, the old one is still there. removing: storage.archive_retention_days lets it go. restored: the rows are in the table again, the file may be there still. kept: the same without a file; the day stays in the table until somebody archives it by name.';
COMMENT ON TABLE archived_days IS 'Days (UTC) of readings that are in the archive, and those that were brought back from it: storage.archive, docs/archive.md.';
