-- Buckets: when a call may be let go so that a bucket is never used below what we leave in it.
-- Of an account's calls the instants of the last while are known one by one, also those to come;
-- of what was before, the instant at which the bucket is full again (`tat`, as in GCRA). So a
-- permit that was not used leaves what it would have taken, unless the bucket was full anyway, and
-- a new one may find its place between others.
local GRAIN_US = 2 -- of an instant that is kept as whole microseconds

-- The bucket of `window`, with the calls at `dues` (in their order), from number `first` on, put into
-- it since `tat`.
local function bucket_of(window, tat, dues, first)
  local bucket = {
    interval = window.interval, reach = (window.burst - 1) * window.interval, dues = dues,
    tat = tat, last = 0, next = first, before = {},
  }
  for i = first, #dues do
    bucket.before[i] = tat
    tat = math.max(tat, dues[i]) + bucket.interval
  end
  bucket.full = tat
  return bucket
end

-- Let calls go before `bucket.last`, as far as number `upto`: they are behind us now.
local function pass(bucket, upto)
  for i = bucket.next, upto do
    bucket.tat = math.max(bucket.tat, bucket.dues[i]) + bucket.interval
    bucket.last = bucket.dues[i]
  end
  bucket.next = upto + 1
end

-- The first call after the present place that one more at `at` would leave too little for, or nil.
local function starved(bucket, at)
  local tat = math.max(bucket.tat, at) + bucket.interval
  for i = bucket.next, #bucket.dues do
    if tat <= bucket.before[i] then return nil end
    if tat - bucket.reach > bucket.dues[i] + GRAIN_US then return i end
    tat = math.max(tat, bucket.dues[i]) + bucket.interval
  end
  return nil
end

-- The earliest instant from `from` on for one more call; what is before it is behind us then.
local function room_in(bucket, from)
  while true do
    local at = math.max(from, bucket.last, bucket.tat - bucket.reach)
    if bucket.next <= #bucket.dues and bucket.dues[bucket.next] <= at then
      pass(bucket, bucket.next)
    else
      local who = starved(bucket, at)
      if not who then return at end
      pass(bucket, who)
    end
  end
end

-- Put a call into `bucket` at `at`, where there is room.
local function put_in(bucket, at)
  bucket.tat = math.max(bucket.tat, at) + bucket.interval
  bucket.last = at
  local tat = bucket.tat
  for i = bucket.next, #bucket.dues do
    if tat <= bucket.before[i] then return end
    bucket.before[i] = tat
    tat = math.max(tat, bucket.dues[i]) + bucket.interval
  end
end

-- The instants of the calls that are listed under `key`, in their order.
local function listed_in(key)
  local found, dues = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'), {}
  for at = 2, #found, 2 do dues[#dues + 1] = tonumber(found[at]) end
  return dues
end
