-- Count what a caller has spent, and take back records that were counted and not used.
-- KEYS  the counter of the cost, that of the records, both without their day
-- ARGV  millionths spent; records that were not used, of which day
-- Returns  millionths spent today, seconds to midnight UTC
local now = redis.call('TIME')
local day, second = math.floor(now[1] / 86400), now[1] % 86400
local counter = KEYS[1] .. ':' .. day
local spent = redis.call('INCRBY', counter, ARGV[1])
redis.call('EXPIRE', counter, 172800)
if tonumber(ARGV[2]) > 0 and tonumber(ARGV[3]) == day then
  redis.call('DECRBY', KEYS[2] .. ':' .. day, ARGV[2])
end
return {spent, 86400 - second}
