-- Reserve up to k permits of one account; answer when each may be used, relative to Valkey's clock.
-- KEYS[1]  pause: the instant (microseconds) before which nothing may be sent
-- KEYS[2…] one key a window
-- ARGV     k, patience (microseconds), then for each window: mode, limit, period, interval, burst
--          mode "log": exact list of the last `limit` instants, `period` already with its guard
--          mode "gcra": one instant, `interval` between permits, `burst` of them at once
-- Returns  the delays (microseconds) of the permits given, then, when fewer than k were given, the
--          negative number -1 - d where d is the delay that the next one would have had
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local k, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
local earliest = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local windows = {}
for i = 2, #KEYS do
  local at = 3 + (i - 2) * 5
  local window = {
    key = KEYS[i], log = ARGV[at] == 'log', limit = tonumber(ARGV[at + 1]),
    period = tonumber(ARGV[at + 2]), interval = tonumber(ARGV[at + 3]), burst = tonumber(ARGV[at + 4]),
  }
  if not window.log then window.next = tonumber(redis.call('GET', window.key) or 0) end
  windows[#windows + 1] = window
end
local delays = {}
for _ = 1, k do
  local due = earliest
  for _, window in ipairs(windows) do
    if window.log then
      local oldest = tonumber(redis.call('LINDEX', window.key, -window.limit) or 0)
      due = math.max(due, oldest + window.period)
    else
      due = math.max(due, window.next - window.burst * window.interval)
    end
  end
  if due - now > patience then
    delays[#delays + 1] = -1 - (due - now)
    break
  end
  for _, window in ipairs(windows) do
    if window.log then
      redis.call('RPUSH', window.key, string.format('%.0f', due))
      redis.call('LTRIM', window.key, -window.limit, -1)
    else
      window.next = math.max(window.next, due) + window.interval
    end
  end
  earliest = due -- one list stays in order, so that its oldest entry is its first
  delays[#delays + 1] = due - now
end
for _, window in ipairs(windows) do
  if not window.log then
    redis.call('SET', window.key, string.format('%.0f', window.next))
  end
  redis.call('PEXPIRE', window.key, math.ceil((window.period * 2 + patience) / 1000) + 1000)
end
return delays
