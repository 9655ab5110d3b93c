-- What is measured (an asset: a hive, a machine) is not the device that measures it. Each device measures an asset of its own, named as it is, until a swap says otherwise.
CREATE TABLE asset_devices (
  asset_id text COLLATE "C" NOT NULL CHECK (asset_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}([.][0-9]{1,9})?$'),
  -- A device that was swapped is a part of the history of an asset: it cannot be deleted.
  device_id text COLLATE "C" NOT NULL REFERENCES devices,
  valid tstzrange NOT NULL,
  CONSTRAINT asset_devices_valid CHECK (NOT isempty(valid) AND (lower_inf(valid) OR lower_inc(valid)) AND NOT upper_inc(valid)),
  CONSTRAINT asset_devices_one_asset EXCLUDE USING gist (hashtextextended(device_id, 0) WITH =, device_id WITH =, valid WITH &&),
  CONSTRAINT asset_devices_one_device EXCLUDE USING gist (hashtextextended(asset_id, 0) WITH =, asset_id WITH =, valid WITH &&)
);
CREATE INDEX asset_devices_device ON asset_devices (device_id);
CREATE INDEX asset_devices_asset ON asset_devices (asset_id);
COMMENT ON TABLE asset_devices IS 'Which device measured which asset, and when: only of devices that were swapped. Written by millrace devices swap.';
COMMENT ON COLUMN asset_devices.valid IS 'From, inclusive, to, exclusive; without an end where it still holds.';

-- What a swapped device measures in the time that no row speaks of: before its first row its own asset; after n rows an asset that is named by the device, a dot and n + 1.
-- That may be a drawer, or the next hive that it is put on.
CREATE VIEW asset_periods AS
SELECT asset_id, device_id, valid, true AS swapped FROM asset_devices
UNION ALL
SELECT CASE earlier WHEN 0 THEN device_id ELSE device_id || '.' || (earlier + 1) END COLLATE "C", device_id, valid, true FROM (
  SELECT device_id, valid, (SELECT count(*) FROM asset_devices e WHERE e.device_id = free.device_id AND upper(e.valid) <= lower(free.valid)) AS earlier
  FROM (SELECT device_id, unnest('{(,)}'::tstzmultirange - range_agg(valid)) AS valid FROM asset_devices GROUP BY device_id) free
) named
UNION ALL
SELECT id, id, tstzrange(NULL, NULL), false FROM devices WHERE NOT EXISTS (SELECT FROM asset_devices a WHERE a.device_id = id);
COMMENT ON VIEW asset_periods IS 'Which device measures which asset, and when: of every device, for all of time.';

CREATE FUNCTION asset_of(device text, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT asset_id FROM asset_periods WHERE device_id = device AND valid @> at
$$;
COMMENT ON FUNCTION asset_of IS 'The asset that a device measures at a moment; null if the device is not known.';

CREATE FUNCTION device_of(asset text, at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT device_id FROM asset_periods WHERE asset_id = asset AND valid @> at
$$;
COMMENT ON FUNCTION device_of IS 'The device that measures an asset at a moment; null if none does.';

CREATE VIEW asset_assignments AS
SELECT p.asset_id, a.device_id, a.account_id, a.site_id, a.valid * p.valid AS valid
FROM asset_periods p JOIN assignments a ON a.device_id = p.device_id AND a.valid && p.valid;
COMMENT ON VIEW asset_assignments IS 'Where each asset was assigned, by which device: the assignments of devices, cut where a device was swapped.';

CREATE VIEW asset_stays AS
SELECT asset_id, account_id, site_id, unnest(range_agg(valid)) AS valid FROM asset_assignments GROUP BY asset_id, account_id, site_id;
COMMENT ON VIEW asset_stays IS 'Where each asset was assigned, whichever device measured it.';

-- Held until the end of the transaction: exclusively by a swap, shared by whoever goes by asset_periods. Taken before any other lock.
CREATE FUNCTION lock_swaps() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(1634956389, 0) $$;
CREATE FUNCTION hold_swaps() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock_shared(1634956389, 0) $$;

ALTER TABLE recompute_ranges ALTER COLUMN account_id DROP NOT NULL;
COMMENT ON COLUMN recompute_ranges.account_id IS 'Null for none: the device was taken off what it measured.';

-- What was done, in order: so that a repeat is known as one, and a swap taken back gives back what it had ended.
CREATE TABLE device_swaps (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  old_device text COLLATE "C" NOT NULL REFERENCES devices,
  new_device text COLLATE "C" NOT NULL REFERENCES devices,
  asset_id text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL,
  ended jsonb NOT NULL,
  done_at timestamptz NOT NULL DEFAULT now(),
  CHECK (old_device <> new_device)
);
CREATE INDEX device_swaps_old ON device_swaps (old_device, id);
CREATE INDEX device_swaps_new ON device_swaps (new_device, id);
COMMENT ON COLUMN device_swaps.ended IS 'Assignments of the new device that the swap ended: what it would have had from then on.';
