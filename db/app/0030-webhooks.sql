-- Where accounts want their alerts sent to, and what is sent.
CREATE TABLE webhooks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id bigint NOT NULL REFERENCES accounts,
  url text NOT NULL CHECK (url ~ '^https?://[^\s]+$' AND length(url) <= 2000),
  secret text NOT NULL CHECK (length(secret) BETWEEN 16 AND 200),
  created_at timestamptz NOT NULL DEFAULT now(),
  removed_at timestamptz,
  failures integer NOT NULL DEFAULT 0,
  last_error text,
  next_at timestamptz NOT NULL DEFAULT now(),
  leased_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE UNIQUE INDEX webhooks_url ON webhooks (account_id, url) WHERE removed_at IS NULL;
COMMENT ON COLUMN webhooks.secret IS 'Key of the signatures. As it is: a hash of it could not sign.';
COMMENT ON COLUMN webhooks.failures IS 'In a row.';
COMMENT ON COLUMN webhooks.next_at IS 'When it is tried again after a failure.';
COMMENT ON COLUMN webhooks.leased_until IS 'Until then one instance sends to it, and no other.';

CREATE TABLE webhook_delivery (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  webhook_id bigint NOT NULL REFERENCES webhooks ON DELETE CASCADE,
  event_id text NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  attempts integer NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
  settled_at timestamptz,
  UNIQUE (webhook_id, event_id),
  CHECK ((state = 'waiting') = (settled_at IS NULL))
);
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (webhook_id, id) WHERE state = 'waiting';
COMMENT ON TABLE webhook_delivery IS 'Written in the transaction of the alert. What was delivered is deleted after a week; what failed stays.';
