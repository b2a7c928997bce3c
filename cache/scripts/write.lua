-- Keep outcomes. ARGV: end to end, digest (16 bytes), time to live in milliseconds (8 bytes), length
-- of the envelope (4 bytes, both big-endian) and envelope of each. Returns how many.
local from, count, outcome, ttl, envelope = 1, 0
while from <= #ARGV[1] do
  outcome, ttl, envelope, from = struct.unpack('>c16I8I4c0', ARGV[1], from)
  redis.call('SET', 'outcome:' .. outcome, envelope, 'PX', string.format('%.0f', ttl))
  count = count + 1
end
return count
