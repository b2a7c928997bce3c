-- Keep outcomes and give back claims, in one trip.
-- ARGV  our token, how long `done` stands in milliseconds, the channel, the claims' digests (16
--       bytes each, end to end), for each a character: 1 when its outcome is kept and 0 when not;
--       last, end to end, digest, time to live in milliseconds (8 bytes), length of the envelope
--       (4 bytes, both big-endian) and envelope of each outcome
-- Publishes the digests of those claims that somebody waits for; returns how many.
local token, waited = ARGV[1], {}
local from, outcome, ttl, envelope = 1
while from <= #ARGV[6] do
  outcome, ttl, envelope, from = struct.unpack('>c16I8I4c0', ARGV[6], from)
  redis.call('SET', 'outcome:' .. outcome, envelope, 'PX', string.format('%.0f', ttl))
end
for at = 1, #ARGV[5] do
  local digest = string.sub(ARGV[4], 16 * at - 15, 16 * at)
  local holder = redis.call('GET', 'claim:' .. digest)
  if holder and string.sub(holder, 1, #token) == token then
    if string.byte(ARGV[5], at) == 49 then
      redis.call('SET', 'claim:' .. digest, 'done', 'PX', ARGV[2])
    else
      redis.call('DEL', 'claim:' .. digest)
    end
    if string.sub(holder, -1) == '!' then waited[#waited + 1] = digest end
  end
end
if #waited > 0 then redis.call('PUBLISH', ARGV[3], table.concat(waited)) end
return #waited
