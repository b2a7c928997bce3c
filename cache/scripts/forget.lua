-- Forget what is kept and claimed of questions. ARGV: their digests (16 bytes each, end to end), and
-- the channel on which every process hears that it is to forget, too. Returns how many were known.
local known = 0
for at = 1, #ARGV[1], 16 do
  local digest = string.sub(ARGV[1], at, at + 15)
  known = known + redis.call('DEL', 'outcome:' .. digest)
  redis.call('DEL', 'claim:' .. digest)
end
redis.call('PUBLISH', ARGV[2], #ARGV[1] / 16)
return known
