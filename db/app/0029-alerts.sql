-- Rules of accounts, and the alerts that they gave.
CREATE TABLE alert_rules (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id bigint NOT NULL REFERENCES accounts,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  kind text NOT NULL CHECK (kind IN ('threshold', 'rate', 'silence', 'night_drop')),
  quantity text CHECK (quantity ~ '^[a-z][a-z0-9_]*$'),
  direction text CHECK (direction IN ('above', 'below')),
  level double precision CHECK (level BETWEEN -1e12 AND 1e12),
  clear_level double precision CHECK (clear_level BETWEEN -1e12 AND 1e12),
  for_seconds integer NOT NULL DEFAULT 0 CHECK (for_seconds BETWEEN 0 AND 2592000),
  window_seconds integer CHECK (window_seconds BETWEEN 60 AND 86400),
  zone text CHECK (zone ~ '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$'),
  night_from time,
  night_to time,
  devices text[] CHECK (cardinality(devices) BETWEEN 1 AND 10000 AND array_position(devices, NULL) IS NULL),
  sites bigint[] CHECK (cardinality(sites) BETWEEN 1 AND 10000 AND array_position(sites, NULL) IS NULL),
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  removed_at timestamptz,
  CONSTRAINT alert_rules_silence CHECK (
    (kind = 'silence') = (quantity IS NULL) AND (kind = 'silence') = (level IS NULL) AND (kind = 'silence') = (clear_level IS NULL)
    AND (kind <> 'silence' OR for_seconds >= 60)
  ),
  CONSTRAINT alert_rules_direction CHECK ((kind IN ('threshold', 'rate')) = (direction IS NOT NULL)),
  -- Hysteresis: an alert clears at a level that does not open it.
  CONSTRAINT alert_rules_clear_level CHECK (
    CASE WHEN direction = 'above' THEN clear_level <= level WHEN direction = 'below' THEN clear_level >= level
    WHEN kind = 'night_drop' THEN level > 0 AND clear_level BETWEEN 0 AND level ELSE true END
  ),
  CONSTRAINT alert_rules_window CHECK ((kind = 'rate') = (window_seconds IS NOT NULL)),
  CONSTRAINT alert_rules_night CHECK (
    (kind = 'night_drop') = (zone IS NOT NULL) AND (kind = 'night_drop') = (night_from IS NOT NULL)
    AND (kind = 'night_drop') = (night_to IS NOT NULL) AND (night_from IS NULL OR night_from <> night_to)
  ),
  CONSTRAINT alert_rules_removed CHECK (removed_at IS NULL OR NOT enabled)
);
CREATE UNIQUE INDEX alert_rules_name ON alert_rules (account_id, name) WHERE removed_at IS NULL;
COMMENT ON COLUMN alert_rules.level IS 'Of a threshold: in the unit of the quantity. Of a rate: the same an hour. Of a night drop: how far below the highest of the night.';
COMMENT ON COLUMN alert_rules.clear_level IS 'An open alert is closed once the measure is back at this level.';
COMMENT ON COLUMN alert_rules.for_seconds IS 'How long the breach must last, by the times of samples. Of silence: how long there is no reading.';
COMMENT ON COLUMN alert_rules.window_seconds IS 'A rate is taken between samples that are at least so far apart.';
COMMENT ON COLUMN alert_rules.devices IS 'Only these; null for all.';
COMMENT ON COLUMN alert_rules.sites IS 'Only devices at these sites; null for all, and for those at none.';
COMMENT ON COLUMN alert_rules.removed_at IS 'A rule that is removed stays for its alerts, and is never enabled again.';

CREATE TABLE alerts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  rule_id bigint NOT NULL REFERENCES alert_rules,
  account_id bigint NOT NULL REFERENCES accounts,
  site_id bigint,
  device_id text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL DEFAULT '',
  began_at timestamptz NOT NULL,
  opened_at timestamptz NOT NULL CHECK (opened_at >= began_at),
  value double precision,
  closed_at timestamptz CHECK (closed_at >= opened_at),
  closed_value double precision,
  closed_because text CHECK (closed_because IN ('cleared', 'night_over', 'heard', 'rule_off', 'not_watched')),
  recorded_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT alerts_closed CHECK ((closed_at IS NULL) = (closed_because IS NULL))
);
-- One rule has one open alert of a device at most, whoever writes it. By device first: each batch of a device asks for its own.
CREATE UNIQUE INDEX alerts_open ON alerts (device_id, rule_id, channel) WHERE closed_at IS NULL;
CREATE INDEX alerts_of_account ON alerts (account_id, opened_at);
COMMENT ON COLUMN alerts.device_id IS 'No reference: an alert outlives its device.';
COMMENT ON COLUMN alerts.channel IS 'Channel of the device; empty for the device itself.';
COMMENT ON COLUMN alerts.began_at IS 'Time of the first sample of the breach. Of silence: when the device was last heard.';
COMMENT ON COLUMN alerts.opened_at IS 'Time of the sample that opened it; of silence, when it had lasted long enough.';

-- What a rule remembers of a device. A sample that is not later than `at_micros` is not judged again.
CREATE TABLE alert_state (
  rule_id bigint NOT NULL REFERENCES alert_rules ON DELETE CASCADE,
  device_id text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  at_micros bigint NOT NULL,
  since_micros bigint,
  reference_micros bigint,
  reference_value double precision,
  PRIMARY KEY (rule_id, device_id, channel)
) WITH (fillfactor = 70);
COMMENT ON COLUMN alert_state.since_micros IS 'Since when the rule is breached; null if it is not.';
COMMENT ON COLUMN alert_state.reference_value IS 'What the next sample is compared with: of a rate, the last sample that counted; of a night, its highest value.';

-- When each device was last heard: for rules of silence.
CREATE TABLE alert_device (
  device_id text COLLATE "C" PRIMARY KEY,
  heard_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON COLUMN alert_device.heard_at IS 'When the bridge received its last reading.';

-- Since when the line has been listening: silence is counted from here at most.
CREATE TABLE alert_listening (
  one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
  since timestamptz NOT NULL,
  checked_at timestamptz NOT NULL
);
