-- Claim questions.
-- ARGV  our token, the lease in milliseconds, the questions' digests (16 bytes each, end to end),
--       and for each a character: 1 when a claim that was settled just now may be taken over
-- Returns for each 1 (ours), 0 (held by another, now marked as waited for), 2 (settled just now)
-- The digests come as one argument: a hundred small ones cost the client ten times as much to send.
local answer = {}
for at = 1, #ARGV[4] do
  local key = 'claim:' .. string.sub(ARGV[3], 16 * at - 15, 16 * at)
  local holder = redis.call('GET', key)
  if not holder or (holder == 'done' and string.byte(ARGV[4], at) == 49) then
    redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
    answer[at] = 1
  elseif holder == 'done' then
    answer[at] = 2
  else
    if string.sub(holder, -1) ~= '!' then redis.call('APPEND', key, '!') end
    answer[at] = 0
  end
end
return answer
