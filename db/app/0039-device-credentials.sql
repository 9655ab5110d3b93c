-- What devices, and gateways, prove to the MQTT broker who they are with (docs/device-identity.md). No key and no password: of a password there is a hash.
-- No reference to table devices: a certificate of a device that was deleted is still good for the broker until it expires, so it must stay revoked.
CREATE TABLE device_authority (
  fingerprint text COLLATE "C" PRIMARY KEY CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
  certificate text NOT NULL,
  revocation_list text NOT NULL
);
COMMENT ON TABLE device_authority IS 'Who signs the certificates of devices, and the list of those that are revoked, as it signed it. Its key is in a file of the operator.';

CREATE TABLE device_credentials (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  device_id text COLLATE "C" NOT NULL CHECK (device_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$' AND device_id !~* '^millrace-'),
  kind text NOT NULL CHECK (kind IN ('certificate', 'password')),
  authority text COLLATE "C" REFERENCES device_authority,
  serial text COLLATE "C" UNIQUE CHECK (serial ~ '^[0-9a-f]{32}$'),
  fingerprint text COLLATE "C" CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
  salt text COLLATE "C" CHECK (salt ~ '^[A-Za-z0-9_-]{12}$'),
  hash text COLLATE "C" CHECK (hash ~ '^[0-9a-f]{128}$'),
  issued_at timestamptz NOT NULL DEFAULT now(),
  issued_by text NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  CONSTRAINT device_credentials_certificate
    CHECK ((kind = 'certificate') = (num_nonnulls(authority, serial, fingerprint, expires_at) = 4) AND (kind = 'certificate' OR num_nulls(authority, serial, fingerprint, expires_at) = 4)),
  -- Of a password that is no longer one, nothing is kept.
  CONSTRAINT device_credentials_password CHECK (num_nonnulls(salt, hash) = CASE WHEN kind = 'password' AND revoked_at IS NULL THEN 2 ELSE 0 END)
);
CREATE INDEX device_credentials_device ON device_credentials (device_id);
-- A broker knows one password of a user.
CREATE UNIQUE INDEX device_credentials_one_password ON device_credentials (device_id) WHERE kind = 'password' AND revoked_at IS NULL;
COMMENT ON COLUMN device_credentials.device_id IS 'User name at the broker, and CN of the certificate: the identity in the topic of what it sends.';
COMMENT ON COLUMN device_credentials.serial IS 'Of the certificate, in hexadecimal.';
COMMENT ON COLUMN device_credentials.fingerprint IS 'SHA-256 of the certificate, in hexadecimal.';
COMMENT ON COLUMN device_credentials.hash IS 'PBKDF2 with HMAC-SHA-512, one iteration, 64 bytes, in hexadecimal; the salt is the text in column salt. The password is 192 random bits.';

-- Each change of credentials takes this row first: one after the other, and whoever writes a broker's files sees by the number that there is something new.
CREATE TABLE device_credential_version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version bigint NOT NULL DEFAULT 0
);
INSERT INTO device_credential_version DEFAULT VALUES;

-- What a broker asks that looks into this database (EMQX). The owner of the views reads the table, so whoever may ask them needs no right to it.
CREATE VIEW broker_passwords AS
SELECT device_id AS username, hash AS password_hash, salt, false AS is_superuser
FROM device_credentials WHERE kind = 'password' AND revoked_at IS NULL;
COMMENT ON VIEW broker_passwords IS 'Authentication: user names and what their passwords must make.';

CREATE VIEW broker_certificates AS
SELECT device_id AS username, serial, fingerprint, issued_at, expires_at, revoked_at, revoked_at IS NULL AND expires_at > now() AS good
FROM device_credentials WHERE kind = 'certificate';
COMMENT ON VIEW broker_certificates IS 'Every certificate that was issued, by its common name, and whether it is still good.';

CREATE VIEW broker_rights AS
SELECT username, 'allow' AS permission, action, 'devices/' || username || '/' || level AS topic
FROM (
  SELECT username FROM broker_passwords
  UNION
  SELECT username FROM broker_certificates WHERE good
) AS users
CROSS JOIN (VALUES ('publish', 'telemetry'), ('publish', 'status'), ('subscribe', 'commands')) AS rights (action, level);
COMMENT ON VIEW broker_rights IS 'Authorization: what each device may do while it has a credential that is good. What is not in it is denied.';
