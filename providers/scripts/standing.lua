-- Where an account stands, without taking anything. Comes after slowness.lua and buckets.lua.
-- KEYS     as of permits.lua
-- ARGV[1]  MessagePack: the windows as of permits.lua, and the account's usual interval
-- Returns  MessagePack: the pause that is left and its why, the share of the rate that is used, the
--          slots in use, and for each window the calls used and when more come back (microseconds)
local asked = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local names = { 'pause', 'cut_at', 'cut_to', 'ceiling' }
for i in ipairs(asked.windows) do names[#names + 1] = 'w' .. i end
local values, state = redis.call('HMGET', KEYS[1], unpack(names)), {}
for i, name in ipairs(names) do state[name] = tonumber(values[i] or 0) or 0 end
local slots, flat = 0, redis.call('HVALS', KEYS[3])
for _, one in ipairs(flat) do
  local held, ends = string.match(one, '(%S+) %S+ (%S+)')
  if tonumber(ends) > now then slots = slots + tonumber(held) end
end
local windows, quota_key = {}, 5
for i, window in ipairs(asked.windows) do
  local used, again = 0, now
  if window.kind == 'log' then
    local from = '(' .. string.format('%.0f', now - window.period)
    used = redis.call('ZCOUNT', KEYS[2], from, '+inf')
    local oldest = redis.call('ZRANGEBYSCORE', KEYS[2], from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if oldest then again = tonumber(oldest) + window.period end
  elseif window.interval then
    local full = state['w' .. i]
    if window.kind == 'bucket' then full = bucket_of(window, full, listed_in(KEYS[5]), 1).full end
    used = math.max(0, math.ceil((full - now) / window.interval))
    again = math.max(now, full - (window.burst - 1) * window.interval)
  else
    quota_key = quota_key + 1
    if window.kind == 'slices' then
      local at, counts = math.floor(now / window.slice), redis.call('HGETALL', KEYS[quota_key])
      local oldest = at
      for j = 1, #counts, 2 do
        if tonumber(counts[j]) >= at - window.slices then
          used = used + tonumber(counts[j + 1])
          oldest = math.min(oldest, tonumber(counts[j]))
        end
      end
      if used > 0 then again = (oldest + window.slices + 1) * window.slice end
    else
      local begins = now < window.ends and window.begins or window.ends
      used = tonumber(redis.call('HGET', KEYS[quota_key], string.format('%.0f', begins)) or 0)
      again = now < window.ends and window.ends or window.later
    end
  end
  windows[i] = { used, math.max(0, again - now) }
end
return cmsgpack.pack({
  pause = math.max(0, state.pause - now),
  why = redis.call('HGET', KEYS[1], 'why') or '',
  share = slowness(state, now),
  slots = slots,
  windows = windows,
})
