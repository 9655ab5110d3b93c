-- A message that has failed for good may be tried again: its patience begins anew then.
ALTER TABLE webhook_delivery ADD COLUMN waiting_since timestamptz;
UPDATE webhook_delivery SET waiting_since = created_at;
ALTER TABLE webhook_delivery ALTER COLUMN waiting_since SET NOT NULL, ALTER COLUMN waiting_since SET DEFAULT now();
CREATE INDEX webhook_delivery_settled ON webhook_delivery (settled_at) WHERE state <> 'waiting';
COMMENT ON TABLE webhook_delivery IS 'Written in the transaction of the alert. What was delivered is deleted after a week, what failed after 30 days, and all of a webhook that was removed with it.';
