-- Claim questions; those that are only to be claimed if nothing is known of them are looked for first.
-- ARGV  our token, the lease in milliseconds, the questions' digests (16 bytes each, end to end),
--       and for each a character: l look for its outcome first, c claim it, a claim it anew, even if
--       its claim was settled just now, p look for its outcome and claim nothing
-- Returns for each what stands in the store as its outcome, or else 1 (ours), 0 (held by another, now
--       marked as waited for), 2 (settled just now)
-- The digests come as one argument: a hundred small ones cost the client ten times as much to send.
local LOOK, ANEW, PEEK = 108, 97, 112
local answer = {}
for at = 1, #ARGV[4] do
  local digest, how = string.sub(ARGV[3], 16 * at - 15, 16 * at), string.byte(ARGV[4], at)
  local outcome = (how == LOOK or how == PEEK) and redis.call('GET', 'outcome:' .. digest)
  if outcome then
    answer[at] = outcome
  elseif how == PEEK then
    answer[at] = 0
  else
    local key = 'claim:' .. digest
    local holder = redis.call('GET', key)
    if not holder or (holder == 'done' and how == ANEW) then
      redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
      answer[at] = 1
    elseif holder == 'done' then
      answer[at] = 2
    else
      if string.sub(holder, -1) ~= '!' then redis.call('APPEND', key, '!') end
      answer[at] = 0
    end
  end
end
return answer
