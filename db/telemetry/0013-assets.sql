-- Which device measured which asset, of devices that were swapped: a copy of what the app database says (view asset_periods), replaced wholly by millrace devices swap and
-- millrace migrate. Readings stay under the device that sent them; view asset_readings is made beside table readings, because it follows its columns.
CREATE TABLE asset_devices (
  asset_id text COLLATE "C" NOT NULL,
  device_id text COLLATE "C" NOT NULL,
  valid tstzrange NOT NULL
);
CREATE INDEX asset_devices_device ON asset_devices (device_id);
CREATE INDEX asset_devices_asset ON asset_devices (asset_id);
COMMENT ON TABLE asset_devices IS 'A copy of the app database. A device without a row measures an asset of its own, named as it is.';
