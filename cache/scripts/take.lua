-- Claim questions. KEYS: the claims. ARGV: our token, the lease in milliseconds, then for each key
-- 1 when a claim that was settled just now may be taken over.
-- Returns for each 1 (ours), 0 (held by another, now marked as waited for), 2 (settled just now)
local answer = {}
for at = 1, #KEYS do
  local holder = redis.call('GET', KEYS[at])
  if not holder or (holder == 'done' and ARGV[2 + at] == '1') then
    redis.call('SET', KEYS[at], ARGV[1], 'PX', ARGV[2])
    answer[at] = 1
  elseif holder == 'done' then
    answer[at] = 2
  else
    if string.sub(holder, -1) ~= '!' then redis.call('APPEND', KEYS[at], '!') end
    answer[at] = 0
  end
end
return answer
