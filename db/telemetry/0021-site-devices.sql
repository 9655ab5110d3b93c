-- Which devices have readings at a site: readings_of_site looks them up by the key for each of these, in place of reading the day of every device.
CREATE TABLE site_devices_kept (
  site_id bigint NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  from_day timestamptz NOT NULL,
  to_day timestamptz NOT NULL,
  PRIMARY KEY (site_id, device_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

COMMENT ON TABLE site_devices_kept IS 'Devices that have, or had, readings at a site, as the job of the roll-ups left it. Never too few, maybe too many: ask readings_of_site.';
COMMENT ON COLUMN site_devices_kept.from_day IS 'No reading of the device at this site is earlier (UTC).';
COMMENT ON COLUMN site_devices_kept.to_day IS 'Every reading of the device at this site is earlier (UTC).';

ALTER TABLE rollup_shape ADD COLUMN sites_filled boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN rollup_shape.sites_filled IS 'Whether readings that are older than site_devices_kept are in it.';
