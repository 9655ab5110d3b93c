-- Every firmware schema that a service ever read from the registry. A subject may be deleted there, and a registry be restored from an older backup; frames in
-- Kafka, and devices in the field, still have the schema. To forget one for good, delete its row here too.
CREATE TABLE registered_schema (
  schema_id integer NOT NULL,
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 8),
  subject text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  text text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  -- A restored registry may give an ID to another schema: then both rows say that the ID alone does not tell.
  PRIMARY KEY (schema_id, fingerprint)
);
COMMENT ON TABLE registered_schema IS 'Firmware schemas that the registry had once: what it deletes or loses is not forgotten.';
COMMENT ON COLUMN registered_schema.fingerprint IS 'CRC-64-AVRO of the canonical form, lowest byte first, as in a frame.';
COMMENT ON COLUMN registered_schema.text IS 'As the registry had it, attributes too.';
COMMENT ON COLUMN registered_schema.seen_at IS 'When a service first read it, or read it with another text.';
