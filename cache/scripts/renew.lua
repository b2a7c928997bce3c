-- Renew our claims. ARGV: our token, the lease in milliseconds, the digests end to end.
local token, renewed = ARGV[1], 0
for at = 1, #ARGV[3], 16 do
  local key = 'claim:' .. string.sub(ARGV[3], at, at + 15)
  local holder = redis.call('GET', key)
  if holder and string.sub(holder, 1, #token) == token then
    redis.call('PEXPIRE', key, ARGV[2])
    renewed = renewed + 1
  end
end
return renewed
