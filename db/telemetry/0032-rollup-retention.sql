-- Days (UTC) whose roll-ups of hours were dropped, after their readings: the roll-ups of days are all that is left of them. Readings that come later are added to those.
CREATE TABLE rollup_hours_dropped (day timestamptz PRIMARY KEY);
