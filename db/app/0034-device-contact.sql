-- What the readings of a device say of it, beside its statuses (device_status): who writes the one never waits for who writes the other.
CREATE TABLE device_contact (
  device_id text COLLATE "C" PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
  heard_at timestamptz NOT NULL,
  boot integer,
  boot_at timestamptz,
  lowest_boot integer,
  firmware text,
  sample_at timestamptz,
  battery_voltage double precision,
  battery_voltage_at timestamptz,
  battery_level double precision,
  battery_level_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON COLUMN device_contact.heard_at IS 'When the bridge received its last readings, exact to 10 s: what is newer by less is not written.';
COMMENT ON COLUMN device_contact.boot IS 'Boot of the readings; null for a device that counts none.';
COMMENT ON COLUMN device_contact.boot_at IS 'When the first readings of this boot were received.';
COMMENT ON COLUMN device_contact.lowest_boot IS 'Lowest boot since the counter was last reset, as in device_status.';
COMMENT ON COLUMN device_contact.sample_at IS 'Time of its newest sample.';
COMMENT ON COLUMN device_contact.battery_voltage_at IS 'Time of the sample.';

ALTER TABLE device_status ADD COLUMN boot_at timestamptz;
COMMENT ON COLUMN device_status.boot_at IS 'When the first status of this boot was received; null for a boot from before this column was there.';

ALTER TABLE devices ADD COLUMN silent_after_seconds integer CHECK (silent_after_seconds BETWEEN 60 AND 31536000);
COMMENT ON COLUMN devices.silent_after_seconds IS 'Nothing for so long makes it silent; null for the usual hour.';

-- Devices that have become silent. A row counts until the device is heard again, also if it is deleted a moment later.
CREATE TABLE device_silence (
  device_id text COLLATE "C" PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
  heard_at timestamptz NOT NULL,
  silent_at timestamptz NOT NULL
);
COMMENT ON COLUMN device_silence.heard_at IS 'Its last contact before.';
COMMENT ON COLUMN device_silence.silent_at IS 'When it had been silent for long enough, while the line listened.';

-- Since when each process has been hearing all that the bridge receives: silence is counted from here at most.
CREATE TABLE process_listening (
  process text PRIMARY KEY,
  since timestamptz NOT NULL,
  checked_at timestamptz NOT NULL
);
INSERT INTO process_listening SELECT 'alerts', since, checked_at FROM alert_listening;
DROP TABLE alert_listening;

-- What is known of each device, from its statuses and its readings.
CREATE VIEW device_states AS
SELECT d.id AS device_id,
  CASE
    WHEN r.said = 'lost' THEN 'lost'
    WHEN q.heard_at >= p.last_contact THEN 'silent'
    ELSE r.said
  END AS state,
  CASE WHEN p.readings_lead THEN coalesce(c.boot, s.boot) ELSE coalesce(s.boot, c.boot) END AS boot,
  CASE WHEN p.readings_lead THEN coalesce(c.firmware, s.firmware) ELSE coalesce(s.firmware, c.firmware) END AS firmware,
  p.last_contact,
  CASE WHEN q.heard_at >= p.last_contact THEN q.silent_at END AS silent_at,
  c.sample_at AS last_sample,
  c.battery_voltage, c.battery_voltage_at, c.battery_level, c.battery_level_at
FROM devices d
  LEFT JOIN device_status s ON s.device_id = d.id
  LEFT JOIN device_contact c ON c.device_id = d.id
  LEFT JOIN device_silence q ON q.device_id = d.id
  CROSS JOIN LATERAL (
    SELECT
      -- Readings of a later boot than the statuses', or of one below all of them: the counter was reset.
      coalesce(c.boot_at > coalesce(s.boot_at, s.seen_at) AND (c.boot > s.boot OR c.boot < coalesce(s.lowest_boot, s.boot)), false) AS booted_since,
      CASE WHEN s.state = 'lost' THEN c.heard_at ELSE greatest(c.heard_at, s.seen_at) END AS last_contact
  ) b
  CROSS JOIN LATERAL (
    SELECT b.last_contact, s.device_id IS NULL OR b.booted_since OR c.boot = s.boot
      OR ((c.boot IS NULL OR s.boot IS NULL) AND coalesce(c.heard_at > s.seen_at, false)) AS readings_lead
  ) p
  CROSS JOIN LATERAL (
    SELECT CASE
      -- A device that sends readings is neither lost nor in the state of an earlier boot.
      WHEN c.device_id IS NOT NULL AND (s.device_id IS NULL OR b.booted_since OR (s.state = 'lost' AND c.heard_at > s.seen_at)) THEN 'ready'
      ELSE s.state
    END AS said
  ) r;
COMMENT ON VIEW device_states IS 'state: init, ready, sleeping, lost or silent; null if nothing was heard.';
