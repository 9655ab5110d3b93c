-- What movement remembers of a place where a device may have come to rest: which of its fixes do not repeat the one before. Of those so far, all.
UPDATE movement_tracks SET track = jsonb_set(track, '{candidate}', track -> 'candidate' || jsonb_build_object(
  'fresh', track #> '{candidate,agreeing}', 'freshMicros', track #> '{candidate,restedMicros}',
  'last', jsonb_build_object('latitude', track #> '{candidate,latitude}', 'longitude', track #> '{candidate,longitude}')))
WHERE arriving AND NOT (track -> 'candidate') ? 'fresh';
