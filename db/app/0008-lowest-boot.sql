-- A broker that crashed gives old statuses again, and they are live to whoever reads them: what tells them from a reset counter is that their boots were seen.
ALTER TABLE device_status ADD COLUMN lowest_boot integer;
COMMENT ON COLUMN device_status.lowest_boot IS 'Lowest boot since the counter was last reset: one from here to boot is over, one below is another reset.';
