-- What a device can number is bounded in the ledger of frames too: boots, ranges, numbers, names (docs/adr/0019-continuity-bounds.md).
ALTER TABLE continuity_boot
  ADD COLUMN settled_below bigint NOT NULL DEFAULT 0,
  ADD COLUMN settled_stored bigint NOT NULL DEFAULT 0,
  ADD COLUMN settled_dead bigint NOT NULL DEFAULT 0,
  ADD COLUMN settled_partly bigint NOT NULL DEFAULT 0,
  ADD COLUMN settled_unknown bigint NOT NULL DEFAULT 0,
  ADD COLUMN ahead_sample timestamptz,
  ADD COLUMN first_number bigint NOT NULL DEFAULT -1;

COMMENT ON COLUMN continuity_boot.next_number IS 'One more than the highest number of a whole frame that is believed. Numbers from it on in the sets are implausible: too high for the time that has passed.';
COMMENT ON COLUMN continuity_boot.settled_below IS 'Lower numbers are counted in settled_… and are in no set; what of them is in none of the counts is missing.';
COMMENT ON COLUMN continuity_boot.settled_stored IS 'Frames below settled_below that the store has committed.';
COMMENT ON COLUMN continuity_boot.settled_dead IS 'Those that became dead letters, in whole or in part, and of which nothing is stored.';
COMMENT ON COLUMN continuity_boot.settled_partly IS 'Of the stored ones: frames of which single samples became dead letters.';
COMMENT ON COLUMN continuity_boot.settled_unknown IS 'Those that went by before the ledger was begun.';
COMMENT ON COLUMN continuity_boot.ahead_sample IS 'First sample of the frame with the highest number, estimated or not.';
COMMENT ON COLUMN continuity_boot.first_number IS 'Number of the first frame that was heard of and believed; -1 if it is not known.';

-- The same, of names that are no devices. They are few: the oldest are counted in continuity_folded under the empty name.
CREATE TABLE continuity_stranger (LIKE continuity_boot INCLUDING DEFAULTS INCLUDING STORAGE, PRIMARY KEY (device_id, boot));

COMMENT ON TABLE continuity_stranger IS 'Frame numbers of names that are no devices, as in continuity_boot: at most 1,000 boots. Once a name is that of a device its rows move there.';

CREATE TABLE continuity_folded (
  device_id text COLLATE "C" PRIMARY KEY,
  boots bigint NOT NULL,
  numbers int8multirange NOT NULL,
  numbered bigint NOT NULL,
  stored bigint NOT NULL,
  dead bigint NOT NULL,
  missing bigint NOT NULL,
  partly_dead bigint NOT NULL,
  unknown bigint NOT NULL,
  dropped bigint NOT NULL,
  implausible bigint NOT NULL,
  first_received timestamptz NOT NULL,
  last_received timestamptz NOT NULL
);

COMMENT ON TABLE continuity_folded IS 'Boots of a device that are one row together, for it has many. The empty name stands for boots of names that are no devices.';
COMMENT ON COLUMN continuity_folded.boots IS 'How many boots.';
COMMENT ON COLUMN continuity_folded.numbers IS 'Which; where they are very many and far apart a few numbers between them too.';

ALTER TABLE continuity_device
  ADD COLUMN late bigint NOT NULL DEFAULT 0,
  ADD COLUMN implausible bigint NOT NULL DEFAULT 0;

COMMENT ON TABLE continuity_device IS 'What is counted of a device beside its frame numbers. The empty name stands for all names that are no devices.';
COMMENT ON COLUMN continuity_device.late IS 'Frames of folded boots or settled numbers: whether they were counted then is not known any more.';
COMMENT ON COLUMN continuity_device.implausible IS 'Frames whose number, or count of discarded samples, cannot be true, and that are in no row.';
