-- Heed what a service said: leave its account alone for a while, then come back slowly.
-- Comes after slowness.lua, whose function it uses.
-- KEYS[1]  state: hash of
--          pause   the instant (microseconds) before which nothing is sent
--          why     what it is for, a reason code
--          cut_at, cut_to, ceiling   when the rate was cut, to which share of it, and from which
--          base    the interval that is cut, where the account has no rates of its own
-- ARGV     microseconds to pause for; "1" when it said that we ask too much; why; interval that is
--          cut where no rates are configured
-- Returns  the pause that is left, in microseconds
local SAME_US = 1000000 -- calls that were under way when the rate was cut say nothing new
local HALF, LEAST = 0.5, 0.02
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local state = {}
local names = { 'pause', 'cut_at', 'cut_to', 'ceiling' }
for i, value in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
  state[names[i]] = tonumber(value or 0) or 0
end
local due = math.max(now + tonumber(ARGV[1]), state.pause)
if now + tonumber(ARGV[1]) > state.pause then
  redis.call('HSET', KEYS[1], 'pause', string.format('%.0f', due), 'why', ARGV[3])
end
if state.cut_at == 0 or now - math.max(state.cut_at, state.pause) > SAME_US then
  local share = slowness(state, now)
  local ceiling = ARGV[2] == '1' and share or 1
  redis.call('HSET', KEYS[1], 'cut_at', string.format('%.0f', now),
    'cut_to', math.max(LEAST, share * HALF), 'ceiling', ceiling)
  if state.cut_at == 0 then redis.call('HSET', KEYS[1], 'base', ARGV[4]) end
end
redis.call('PEXPIRE', KEYS[1], 1800000 + math.max(0, math.ceil((due - now) / 1000)))
return math.max(0, due - now)
