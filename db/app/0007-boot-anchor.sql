-- Devices that do not know the time of day number their boots and give the time since the boot. An anchor is the time of day of its beginning: the first
-- estimate counts for good, so that every instance, resend and replay gives the same times.
CREATE TABLE boot_anchor (
  device_id text COLLATE "C" NOT NULL REFERENCES devices ON DELETE CASCADE,
  boot integer NOT NULL,
  anchor_micros bigint NOT NULL,
  anchored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (device_id, boot)
);
COMMENT ON TABLE boot_anchor IS 'When each boot of a device without time of day began, as estimated from the first frames that came. Never changed.';
COMMENT ON COLUMN boot_anchor.anchor_micros IS 'Microseconds since 1970.';
COMMENT ON COLUMN boot_anchor.anchored_at IS 'When it was written down: a device that counts too many boots loses its oldest, after 30 days.';
