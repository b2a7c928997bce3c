-- Take the one probe of a breaker that all processes may make in ARGV[1] milliseconds: 1, or 0.
-- KEYS[1]  the probe's lease
return redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) and 1 or 0
