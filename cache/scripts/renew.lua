-- Renew our claims. KEYS: the claims. ARGV: our token, the lease in milliseconds.
local token, renewed = ARGV[1], 0
for at = 1, #KEYS do
  local holder = redis.call('GET', KEYS[at])
  if holder and string.sub(holder, 1, #token) == token then
    redis.call('PEXPIRE', KEYS[at], ARGV[2])
    renewed = renewed + 1
  end
end
return renewed
