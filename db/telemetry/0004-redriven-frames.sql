-- What `millrace redrive store` adds to the ledger of frames. Its rows do not pass through Kafka, so the process `continuity` does not see them;
-- and the ledger's own rows are that process's, which would write over what another put there.
CREATE TABLE continuity_redriven (
  device_id text COLLATE "C" NOT NULL,
  boot integer NOT NULL,
  stored int8multirange NOT NULL,
  PRIMARY KEY (device_id, boot)
);

COMMENT ON TABLE continuity_redriven IS 'Frames that redrives of the store''s dead letters have stored; `millrace continuity` adds them to those of continuity_boot.';
COMMENT ON COLUMN continuity_redriven.stored IS 'Frames of which a redrive wrote at least one row.';
