-- Where in Kafka the last status of a device is: clocks may be wrong, its order in the partition is not.
ALTER TABLE device_status ADD COLUMN seen_offset bigint;
COMMENT ON COLUMN device_status.seen_offset IS 'Offset of the last status in its partition; null for one that was applied before this column was there.';
