-- Reserve permits of one account: over all windows, slots and tenants together, on Valkey's clock.
-- Comes after slowness.lua and buckets.lua, whose functions it uses.
-- KEYS[1]  state: hash of pause, pace and cut (see slowness.lua), spread, since and urgent_at (from when on
--          the next interactive call goes that has to wait, since when such ones have had to, and when
--          somebody last asked for one), and w<i>, the instant of paced window or bucket i; of a bucket,
--          before what is listed in KEYS[5]
-- KEYS[2]  calls: sorted set, the latest instant at which each call can have arrived at the service
-- KEYS[3]  slots: hash of who holds slots: "held wanted until since"
-- KEYS[4]  tenants: hash of tenants that want more than they got: "served until"
-- KEYS[5]  dues: sorted set, where there is a bucket: the instant at which each call is let go
-- KEYS[6…] one hash for each quota window: calls by slice or calendar period
-- KEYS[#KEYS] alone: hash, by process, the last number of those calls made without us that were counted
-- ARGV[1]  MessagePack, `Asked` of providers/trip.py; it says what each field means
-- Returns  MessagePack, `Answered` of providers/trip.py
local asked = cmsgpack.unpack(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local CATCH_UP = 3 -- permits that batches may be late with, and still use
local HUNGRY_US = 250000 -- for which a tenant that was not satisfied is waited for
local STATE_MS = 1800000
local KEPT_US, KEPT_MAX = 400000, 200 -- for so long, and so many, calls of buckets are listed
local ROWS_MAX = 4000
local SPREAD_MIN = 5 -- permits at least that a process has of what is reserved ahead
local URGENT_US, BESIDE_URGENT = 1000000, 0.2 -- after an interactive call batches reserve so little ahead
local SPREAD_FULL_US = 5000000 -- after so long in which calls had to wait they are spread in full

local function text(number) return string.format('%.0f', number) end

-- Run a command with all of `rows`, in parts that fit on Lua's stack; with none, nothing.
local function run_with(rows, ...)
  for from = 1, #rows, ROWS_MAX do
    local command = { ... }
    for at = from, math.min(from + ROWS_MAX - 1, #rows) do command[#command + 1] = rows[at] end
    redis.call(unpack(command))
  end
end

-- 1. What has ended: such a call arrived before its answer did. What was not used never arrives.
local rows, bucketed = {}, false
for _, window in ipairs(asked.windows) do bucketed = bucketed or window.kind == 'bucket' end
for i = 1, #asked.ended, 2 do
  rows[#rows + 1] = text(now - asked.ended[i + 1])
  rows[#rows + 1] = asked.me .. text(asked.ended[i])
end
run_with(rows, 'ZADD', KEYS[2], 'XX', 'LT')
rows = {}
for i, number in ipairs(asked.unused) do rows[i] = asked.me .. text(number) end
run_with(rows, 'ZREM', KEYS[2])
if bucketed then run_with(rows, 'ZREM', KEYS[5]) end
rows = {}
for i = 1, #asked.late, 2 do -- counted once more if it is not listed any more
  rows[#rows + 1] = text(now - asked.late[i + 1])
  rows[#rows + 1] = asked.me .. text(asked.late[i])
end
if bucketed then run_with(rows, 'ZADD', KEYS[5], 'GT') end
rows = {}
for i, age in ipairs(asked.alone) do
  rows[#rows + 1] = text(now - age)
  rows[#rows + 1] = asked.me .. 'a' .. text(asked.first + i)
end
if asked.longest > 0 then run_with(rows, 'ZADD', KEYS[2]) end
if bucketed then run_with(rows, 'ZADD', KEYS[5]) end
local alone = {} -- ages and numbers, without what was counted already: its answer was lost
if asked.alone_counts and #asked.alone_counts > 0 then
  local upto = asked.first
  local known = (tonumber(redis.call('HGET', KEYS[#KEYS], asked.me) or 0) or 0) - upto
  for i = 1, #asked.alone_counts, 2 do
    local calls = asked.alone_counts[i + 1]
    upto = upto + calls
    alone[#alone + 1] = { age = asked.alone_counts[i], calls = math.max(0, calls - math.max(0, known)) }
    known = known - calls
  end
  redis.call('HSET', KEYS[#KEYS], asked.me, text(upto))
  redis.call('PEXPIRE', KEYS[#KEYS], STATE_MS)
end

-- How many calls were made without us, and arrived at or after `since`.
local function made_alone(since)
  local calls = 0
  for _, some in ipairs(alone) do
    if now - some.age >= since then calls = calls + some.calls end
  end
  return calls
end

-- 2. Slots: leased to processes, and shared out when several want more than there are.
local others, active, lacking, mine = 0, 1, {}, nil
local flat = redis.call('HGETALL', KEYS[3])
for i = 1, #flat, 2 do
  local held, wanted, ends, since = string.match(flat[i + 1], '(%S+) (%S+) (%S+) (%S+)')
  local one = { held = tonumber(held), wanted = tonumber(wanted), since = tonumber(since) }
  if flat[i] == asked.lane then
    mine = one
  elseif tonumber(ends) < now then
    redis.call('HDEL', KEYS[3], flat[i])
  else
    others = others + one.held
    active = active + 1
    if one.wanted > one.held then lacking[#lacking + 1] = one end
  end
end
local since = mine and mine.held == 0 and mine.since or now -- it last had one
local free = asked.concurrency - others
local fair = math.max(1, math.floor(asked.concurrency / active))
local kept = 0 -- for those that have less than their share, when there are too few: the longest first
for _, one in ipairs(lacking) do
  if active <= asked.concurrency or one.since < since then
    kept = kept + math.max(0, math.min(one.wanted, fair) - one.held)
  end
end
local spare = asked.concurrency > 1 and math.ceil(asked.concurrency / 10) or 0 -- not for batches
local patient = math.max(0, math.min(asked.wanted - asked.urgent, free - spare - asked.urgent))
local held = math.max(asked.in_use, math.min(asked.urgent + patient, free - kept))
if held == 0 and asked.wanted == 0 then
  redis.call('HDEL', KEYS[3], asked.lane)
else
  local ends = text(now + asked.lease)
  redis.call('HSET', KEYS[3], asked.lane,
    held .. ' ' .. asked.wanted .. ' ' .. ends .. ' ' .. text(since))
end
local room = held - asked.in_use

-- 3. Pace: the account's own, or slower after it was told to slow down.
local names = { 'pause', 'pace', 'cut_at', 'cut_to', 'ceiling', 'base', 'spread', 'since', 'urgent_at' }
for i, window in ipairs(asked.windows) do
  if window.interval then names[#names + 1] = 'w' .. i end
end
local values, state = redis.call('HMGET', KEYS[1], unpack(names)), {}
for i, name in ipairs(names) do state[name] = tonumber(values[i] or 0) or 0 end
local factor = slowness(state, now)
if state.cut_at > 0 and factor >= 1 then
  redis.call('HDEL', KEYS[1], 'cut_at', 'cut_to', 'ceiling', 'base')
end
local usual = asked.interval > 0 and asked.interval or state.base
local interval = usual / factor
local catch_up = factor < 1 and 1 or CATCH_UP -- what comes back comes without a burst
local returned = #asked.unused
if now - state.urgent_at < URGENT_US then asked.horizon = asked.horizon * BESIDE_URGENT end

-- 4. Windows: what each leaves at which instant, without what this trip will take.
local total = 0
for _, group in ipairs(asked.groups) do total = total + group.count end
total = math.min(total, math.max(0, room))
if asked.longest > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. text(now - asked.longest))
end
local told = asked.told
local of = told and asked.windows[told.window]
if of and of.kind == 'log' then -- more than ours: somebody else uses the account, too
  local ours = redis.call('ZCOUNT', KEYS[2], text(now - told.age - of.period), '+inf')
  for n = 1, told.used - told.slack - ours do
    redis.call('ZADD', KEYS[2], text(now - told.age), 'told' .. asked.me .. text(asked.first + n))
  end
end
local logged = asked.longest > 0 and redis.call('ZCARD', KEYS[2]) or 0
local quota_key, left, dues = 5, {}, nil
local kept, remembered, stride, apart = KEPT_US, 0, 0, 0
for _, window in ipairs(asked.windows) do
  if window.interval then remembered = math.max(remembered, window.burst * window.interval) end
  if window.kind == 'bucket' then
    kept = math.min(kept, KEPT_MAX * window.interval)
    stride = math.max(stride, window.interval)
    dues = dues or listed_in(KEYS[5])
  end
end
local gone = 0 -- calls of buckets that are listed no more
if dues then
  while gone < #dues and dues[gone + 1] < now - kept do gone = gone + 1 end
  -- Processes that share a bucket take turns, so that one which stands still has few in a row.
  stride = stride * math.min(active, math.max(1, math.floor(asked.urgent_horizon / stride / SPREAD_MIN)))
end
for i, window in ipairs(asked.windows) do
  if window.kind == 'log' then
    window.scores = {}
    window.skipped = math.max(0, window.limit - logged) -- permits that no earlier call stands against
    if total > window.skipped then
      local first = logged - window.limit + window.skipped
      local found = redis.call('ZRANGE', KEYS[2], first, first + total - window.skipped - 1, 'WITHSCORES')
      for at = 2, #found, 2 do window.scores[#window.scores + 1] = tonumber(found[at]) end
    end
    if window.long then
      left[#left + 1] = window.limit - redis.call('ZCOUNT', KEYS[2], text(now - window.period), '+inf')
    end
  elseif window.kind == 'bucket' then
    window.next = state['w' .. i]
    for n = 1, gone do window.next = math.max(window.next, dues[n]) + window.interval end
    window.bucket = bucket_of(window, window.next, dues, gone + 1)
  elseif window.kind == 'paced' then
    window.next = state['w' .. i] - returned * window.interval
    for _, age in ipairs(asked.alone) do window.next = math.max(window.next, now - age) + window.interval end
  else
    quota_key = quota_key + 1
    window.key, window.used = KEYS[quota_key], 0
    if window.kind == 'slices' then
      window.at = math.floor(now / window.slice)
      local counts = redis.call('HGETALL', window.key)
      for j = 1, #counts, 2 do
        local slice = tonumber(counts[j])
        if slice < window.at - window.slices then
          redis.call('HDEL', window.key, counts[j])
        else
          window.used = window.used + tonumber(counts[j + 1])
          window.oldest = math.min(window.oldest or slice, slice)
        end
      end
      window.again = ((window.oldest or window.at) + window.slices + 1) * window.slice
    else
      window.at = now < window.ends and window.begins or window.ends
      window.again = now < window.ends and window.ends or window.later
      window.used = tonumber(redis.call('HGET', window.key, text(window.at)) or 0)
      window.again = window.again + window.guard
    end
    window.taken = made_alone(window.kind == 'calendar' and window.at or now - window.period) - returned
    if told and told.window == i then
      window.taken = math.max(window.taken, told.used - told.slack - window.used)
    end
    window.used = window.used + window.taken
    left[#left + 1] = window.limit - window.used
  end
end

-- 5. Tenants: who wants more than it got may not be outrun by more than a few permits, within its
-- class: interactive goes before batches whoever it is for.
local hungry = { i = {}, b = {} }
flat = redis.call('HGETALL', KEYS[4])
for i = 1, #flat, 2 do
  local served, ends = string.match(flat[i + 1], '(%S+) (%S+)')
  if tonumber(ends) < now then
    redis.call('HDEL', KEYS[4], flat[i])
  else
    local class, tenant = string.match(flat[i], '(.)(.*)')
    hungry[class][tenant] = { served = tonumber(served), ends = tonumber(ends) }
  end
end
local quantum = math.max(1, usual > 0 and math.floor(asked.horizon / usual / 2) or 32)
local function slowest(class, besides)
  local least = math.huge
  for name, one in pairs(hungry[class]) do
    if name ~= besides then least = math.min(least, one.served) end
  end
  return least
end

-- 6. Give, the most urgent group first: the instant is the latest that any window asks for.
local given, pace, earliest = 0, state.pace - returned * interval, math.max(now, state.pause)
local paused_for = state.pause > now and redis.call('HGET', KEYS[1], 'why') or ''
-- Interactive calls that have to wait do not go before `spread`, which moves by `spacing` with each of
-- them: the further, the longer there are such calls. A list that waits once is hardly delayed by it.
local spread, waiting_since = state.spread, state.since
if now - spread > 2 * math.max(asked.longest, URGENT_US) then waiting_since = now end
local spacing = asked.spread * math.min(1, ((now - waiting_since) / SPREAD_FULL_US) ^ 2)
local function due_of(batch, horizon)
  local due, why = earliest, earliest > now and paused_for or ''
  if apart > math.max(due, now + horizon / 2) then due, why = apart, 'turn' end
  if (batch or factor < 1) and interval > 0 then
    local at = pace - (catch_up - 1) * interval
    if at > due then due, why = at, factor < 1 and 'slow' or 'pace' end
  end
  for i, window in ipairs(asked.windows) do
    local at = 0
    if window.kind == 'log' then
      if given >= window.skipped then
        at = window.scores[given - window.skipped + 1] + window.period
      end
    elseif window.kind == 'paced' then
      at = window.next - (window.burst - 1) * window.interval
    elseif window.used and window.used >= window.limit then
      at = window.again
    end
    if at > due then due, why = at, tostring(i) end
  end
  if not batch and asked.spread > 0 and (due > now or spread > now) then due = math.max(due, spread) end
  local settled = not dues
  while not settled do -- what suits one bucket may be too early for another
    settled = true
    for i, window in ipairs(asked.windows) do
      if window.bucket then
        local at = room_in(window.bucket, due)
        if at > due then due, why, settled = at, tostring(i), false end
      end
    end
  end
  return due, why
end

local answers, added, listed = {}, {}, {}
for g, group in ipairs(asked.groups) do
  local batch = group.batch
  local horizon = batch and asked.horizon or asked.urgent_horizon
  local class = batch and 'b' or 'i'
  local others_served = slowest(class, group.tenant)
  local me = hungry[class][group.tenant]
  if not me then me = { served = others_served < math.huge and others_served or 0 } end
  local allowed = others_served + quantum - me.served
  local answer = { delays = {}, again = 0, due = 0, why = '' }
  for n = 1, group.count do
    if given >= room then
      answer.again, answer.why = asked.slot_wait, 'slots'
      break
    end
    local due, why = due_of(batch, horizon)
    if n > allowed then
      answer.again, answer.due = math.max(asked.slot_wait, due - now - horizon / 2), due - now
      answer.why = 'share'
      break
    end
    if due - now > horizon or due - now > group.patience then
      answer.again, answer.due, answer.why = math.max(0, due - now - horizon / 2), due - now, why
      break
    end
    given = given + 1
    me.served = me.served + 1
    if not batch and due > now then spread = due + spacing end
    if interval > 0 then pace = math.max(pace, due) + interval end
    for _, window in ipairs(asked.windows) do
      if window.kind == 'log' then
        window.scores[#window.scores + 1] = due + asked.arrival
      elseif window.kind == 'bucket' then
        put_in(window.bucket, due)
      elseif window.kind == 'paced' then
        window.next = math.max(window.next, due) + window.interval
      else
        window.used = window.used + 1
        window.taken = window.taken + 1
      end
    end
    if asked.longest > 0 then
      added[#added + 1] = text(due + asked.arrival)
      added[#added + 1] = asked.me .. text(asked.first + given - 1)
    end
    if dues then
      apart = due + stride
      listed[#listed + 1] = text(due)
      listed[#listed + 1] = asked.me .. text(asked.first + given - 1)
    end
    answer.delays[n] = due - now
  end
  if #answer.delays < group.count and answer.why ~= 'slots' then
    me.ends = now + HUNGRY_US
    hungry[class][group.tenant] = me
  end
  if me.ends then
    redis.call('HSET', KEYS[4], class .. group.tenant, text(me.served) .. ' ' .. text(me.ends))
  end
  answers[g] = answer
end

-- 7. Keep.
run_with(added, 'ZADD', KEYS[2])
run_with(listed, 'ZADD', KEYS[5])
if gone > 0 then redis.call('ZREMRANGEBYRANK', KEYS[5], 0, gone - 1) end
local fields, moved = {}, given + returned + #asked.alone > 0
if given + returned > 0 and interval > 0 then fields = { 'pace', text(pace) } end
if spread > state.spread then
  local parts = { 'spread', text(spread), 'since', text(waiting_since) }
  for _, part in ipairs(parts) do fields[#fields + 1] = part end
end
if asked.urgent > 0 then
  fields[#fields + 1] = 'urgent_at'
  fields[#fields + 1] = text(now)
end
for i, window in ipairs(asked.windows) do
  if window.kind == 'bucket' and gone > 0 or window.kind == 'paced' and moved then
    fields[#fields + 1] = 'w' .. i
    fields[#fields + 1] = text(window.next)
  elseif window.taken and window.taken ~= 0 then
    redis.call('HINCRBY', window.key, text(window.at), window.taken)
  end
  if window.key then redis.call('PEXPIRE', window.key, math.ceil(window.period / 500) + 60000) end
end
if #fields > 0 then redis.call('HSET', KEYS[1], unpack(fields)) end
local state_us = math.max(0, state.pause - now) + remembered
redis.call('PEXPIRE', KEYS[1], STATE_MS + math.ceil(state_us / 1000))
redis.call('PEXPIRE', KEYS[2], math.ceil((asked.longest + asked.arrival + asked.urgent_horizon) / 1000) + 1000)
redis.call('PEXPIRE', KEYS[3], math.ceil(asked.lease / 1000) + 1000)
redis.call('PEXPIRE', KEYS[4], 1000)
redis.call('PEXPIRE', KEYS[5], math.ceil((remembered + kept + asked.urgent_horizon) / 1000) + 1000)
return cmsgpack.pack({
  now = now, held = held, pause = math.max(0, state.pause - now), slow = factor < 1, left = left, groups = answers,
})
