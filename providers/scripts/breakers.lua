-- The open breakers of all accounts, as the processes tell each other: one hash, one channel.
-- KEYS[1]  the hash: breaker -> the instant (microseconds) until which it rests, a blank, a note
-- ARGV[1]  'open' channel breaker rest(microseconds) note | 'close' channel breaker note | 'load'
-- Returns  for 'load' the breakers that rest: name, microseconds left, note; and again
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local what, channel, name = ARGV[1], ARGV[2], ARGV[3]
if what == 'open' then
  redis.call('HSET', KEYS[1], name, string.format('%.0f %s', now + tonumber(ARGV[4]), ARGV[5]))
  redis.call('PEXPIRE', KEYS[1], 600000)
  redis.call('PUBLISH', channel, ARGV[5])
  return {}
end
if what == 'close' then
  redis.call('HDEL', KEYS[1], name)
  redis.call('PUBLISH', channel, ARGV[4])
  return {}
end
local answer = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local due, note = string.match(all[i + 1], '^(%d+) (.*)$')
  local left = tonumber(due) - now
  if left > 0 then
    answer[#answer + 1] = all[i]
    answer[#answer + 1] = left
    answer[#answer + 1] = note
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return answer
