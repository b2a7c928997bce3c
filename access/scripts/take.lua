-- Take from what a caller may ask: from its bucket of requests, from its records of the day.
-- KEYS  the bucket, the day's counter without its day
-- ARGV  requests wanted, to be had at once if there are so many, a second, at most at once;
--       records wanted, to be had at once, a day.  A rate or a limit below 0 bounds nothing.
-- Returns  requests granted (0: none), thousandths of requests left, milliseconds until there are
--       as many as are wanted; records granted (-1: too few are left), left, seconds to midnight UTC, the day
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local wanted, block, rate, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local granted, left, wait = block, 0, 0
local records, of_block, limit = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local day, second = math.floor(now[1] / 86400), now[1] % 86400
local counter = KEYS[2] .. ':' .. day
local used = limit >= 0 and tonumber(redis.call('GET', counter) or 0) or 0
local room = limit - used
if rate >= 0 and wanted > 0 then
  local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
  left = tonumber(kept[1] or most)
  left = math.min(most, left + math.max(0, ms - tonumber(kept[2] or ms)) * rate / 1000)
  if left < wanted then
    granted, wait = 0, math.ceil((wanted - left) * 1000 / rate)
  else
    granted = math.min(block, math.floor(left))
    left = left - granted
  end
  redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', ms)
  redis.call('PEXPIRE', KEYS[1], math.ceil(most * 1000 / rate) + 1000)
end
local of_day = of_block
if limit >= 0 and records > 0 then
  if records > room then
    of_day = -1
  else
    of_day = math.min(of_block, room)
    redis.call('INCRBY', counter, of_day)
    redis.call('EXPIRE', counter, 172800)
    room = room - of_day
  end
end
return {granted, math.floor(left * 1000), wait, of_day, room, 86400 - second, day}
