-- Return what the key KEYS[1] was used for first; if it is used now, keep ARGV[1] for ARGV[2] seconds.
local kept = redis.call('GET', KEYS[1])
if kept then
  return kept
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
