-- Counters (energy, volume, rainfall) rise until the device restarts them. What has been consumed is the sum of the rises: a fall is a reset, and never a negative consumption.
CREATE FUNCTION counter_delta(before double precision, after double precision, tolerance double precision DEFAULT 0)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN after >= before THEN after - before
  WHEN after >= before - tolerance THEN 0
  WHEN after < before THEN after
END;

COMMENT ON FUNCTION counter_delta IS 'What a counter counted between two of its values. A fall is a reset, after which it began at 0; a fall of no more than tolerance is noise, and counts 0. NULL if before or after is NULL.';

-- State: the last value and the sum; empty before the first value. A strict transition function is not called for NULLs.
CREATE FUNCTION counter_increase_next(state double precision[], value double precision, tolerance double precision)
RETURNS double precision[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
  last double precision := state[1];
BEGIN
  IF last IS NULL THEN RETURN ARRAY[value, 0]; END IF;
  IF value >= last THEN RETURN ARRAY[value, state[2] + (value - last)]; END IF;
  -- The last value stays after noise, or its way back up would count.
  IF value >= last - tolerance THEN RETURN state; END IF;
  RETURN ARRAY[value, state[2] + value];
END $$;

CREATE FUNCTION counter_increase_next(state double precision[], value double precision)
RETURNS double precision[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
  last double precision := state[1];
BEGIN
  IF last IS NULL THEN RETURN ARRAY[value, 0]; END IF;
  IF value >= last THEN RETURN ARRAY[value, state[2] + (value - last)]; END IF;
  RETURN ARRAY[value, state[2] + value];
END $$;

CREATE FUNCTION counter_increase_sum(state double precision[])
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN state[2];

-- Without COMBINEFUNC: sums of parts do not add up, because what lies between the parts is in neither.
CREATE AGGREGATE counter_increase(value double precision) (
  SFUNC = counter_increase_next, STYPE = double precision[], INITCOND = '{}', FINALFUNC = counter_increase_sum, PARALLEL = SAFE
);

CREATE AGGREGATE counter_increase(value double precision, tolerance double precision) (
  SFUNC = counter_increase_next, STYPE = double precision[], INITCOND = '{}', FINALFUNC = counter_increase_sum, PARALLEL = SAFE
);

COMMENT ON AGGREGATE counter_increase(double precision) IS 'What a counter counted over its values: counter_increase(energy ORDER BY ts). A fall is a reset, after which it began at 0. NULLs are left out; without a value the result is NULL, with one it is 0.';
COMMENT ON AGGREGATE counter_increase(double precision, double precision) IS 'The same for a counter that is not quite steady: a fall of no more than tolerance is noise, and counts 0.';
