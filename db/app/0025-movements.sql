-- What the fixes of each device say: process movement.
CREATE TABLE movement_tracks (
  device_id text COLLATE "C" PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
  track jsonb NOT NULL,
  placed boolean NOT NULL DEFAULT true,
  -- Each row is updated with every batch. Room for its versions keeps the updates on their page.
  arriving boolean NOT NULL GENERATED ALWAYS AS (track ->> 'candidate' IS NOT NULL) STORED
) WITH (fillfactor = 50);
COMMENT ON TABLE movement_tracks IS 'What movement remembers of a device: its latest fixes, where it rests, where it may have come to rest.';
COMMENT ON COLUMN movement_tracks.placed IS 'False while it is at rest and has no account that could have a site there.';

CREATE TABLE movements (
  device_id text COLLATE "C" NOT NULL REFERENCES devices ON DELETE CASCADE,
  since timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('rest', 'transit')),
  latitude double precision NOT NULL,
  longitude double precision NOT NULL,
  confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
  fixes jsonb NOT NULL,
  site_id bigint REFERENCES sites ON DELETE SET NULL,
  decided_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (device_id, since)
);
CREATE INDEX movements_site ON movements (site_id);
COMMENT ON TABLE movements IS 'When each device came to rest and left: each row holds until the next of its device.';
COMMENT ON COLUMN movements.since IS 'First fix that says so.';
COMMENT ON COLUMN movements.confidence IS 'Share of the fixes since then that say so; those of estimated time count half.';
COMMENT ON COLUMN movements.fixes IS 'The latest of them.';
COMMENT ON COLUMN movements.site_id IS 'Where it is at rest; null in transit, or if its account was not known.';

-- The state follows the kind of the site, be it changed later.
CREATE VIEW movement_states AS
SELECT DISTINCT ON (m.device_id) m.device_id,
  CASE WHEN m.state = 'transit' THEN 'transit' WHEN s.kind = 'storage' THEN 'storage' WHEN s.kind = 'orchard' THEN 'deployed' ELSE 'unknown' END AS state,
  m.since, m.site_id, m.latitude, m.longitude, m.confidence, m.fixes, m.decided_at
FROM movements m LEFT JOIN sites s ON s.id = m.site_id
ORDER BY m.device_id, m.since DESC;
COMMENT ON VIEW movement_states IS 'The present state of each device whose fixes told one: storage, transit, deployed; unknown at rest without a site.';
