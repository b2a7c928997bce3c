-- Pause an account for everybody: nothing is sent for ARGV[1] microseconds, or longer if it was so.
-- KEYS[1]  pause
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due = math.max(now + tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or 0))
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1)
return due - now
