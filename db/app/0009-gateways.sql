-- Which gateway may speak for which devices, if a message of the gateway names them. No rule refers to table devices: a pattern is for
-- devices that are yet to come, and a device that is gone has no rows to write.
CREATE TABLE gateway_devices (
  gateway text COLLATE "C" NOT NULL CHECK (octet_length(gateway) BETWEEN 1 AND 512),
  device text COLLATE "C" NOT NULL CHECK (device ~ '^[A-Za-z0-9*][A-Za-z0-9_*-]{0,63}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (gateway, device)
);
COMMENT ON COLUMN gateway_devices.gateway IS 'Identity of the messages, as their topic has it: the key of the raw records.';
COMMENT ON COLUMN gateway_devices.device IS 'A device ID, or a pattern: * stands for any characters, or none.';

-- Caches listen to gateway_change. The payload is an equals sign and a gateway, or * for all of them.
CREATE FUNCTION notify_gateway_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  names text[];
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('gateway_change', '*');
    RETURN NULL;
  END IF;
  SELECT array_agg(DISTINCT gateway) INTO names FROM changed;
  IF cardinality(names) > 100 THEN
    PERFORM pg_notify('gateway_change', '*');
  ELSE
    FOR place IN 1 .. coalesce(cardinality(names), 0) LOOP
      PERFORM pg_notify('gateway_change', '=' || names[place]);
    END LOOP;
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER gateway_devices_inserted AFTER INSERT ON gateway_devices REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION notify_gateway_change();
CREATE TRIGGER gateway_devices_deleted AFTER DELETE ON gateway_devices REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION notify_gateway_change();
CREATE TRIGGER gateway_devices_changed_from AFTER UPDATE ON gateway_devices REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION notify_gateway_change();
CREATE TRIGGER gateway_devices_changed_to AFTER UPDATE ON gateway_devices REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION notify_gateway_change();
CREATE TRIGGER gateway_devices_truncated AFTER TRUNCATE ON gateway_devices FOR EACH STATEMENT EXECUTE FUNCTION notify_gateway_change();
