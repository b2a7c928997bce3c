-- Where an account stands: the pause left, then for each window the permits used, in microseconds.
-- KEYS and ARGV as in permits.lua, less k and patience
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer = { math.max(0, tonumber(redis.call('GET', KEYS[1]) or 0) - now) }
for i = 2, #KEYS do
  local at = 1 + (i - 2) * 5
  local limit, period, interval = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local used = 0
  if ARGV[at] == 'log' then
    for _, instant in ipairs(redis.call('LRANGE', KEYS[i], 0, -1)) do
      if tonumber(instant) > now - period then used = used + 1 end
    end
  else
    local ahead = tonumber(redis.call('GET', KEYS[i]) or 0) - now
    if ahead > 0 then used = math.min(limit, math.ceil(ahead / interval)) end
  end
  answer[#answer + 1] = used
end
return answer
