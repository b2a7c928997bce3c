-- Give back claims. KEYS: the claims. ARGV: our token, how long `done` stands in milliseconds, the
-- channel, then for each key 1 when its outcome was kept and 0 when not.
-- Publishes the digests of those that somebody waits for.
local token, waited = ARGV[1], {}
for at = 1, #KEYS do
  local holder = redis.call('GET', KEYS[at])
  if holder and string.sub(holder, 1, #token) == token then
    if ARGV[3 + at] == '1' then
      redis.call('SET', KEYS[at], 'done', 'PX', ARGV[2])
    else
      redis.call('DEL', KEYS[at])
    end
    if string.sub(holder, -1) == '!' then waited[#waited + 1] = string.sub(KEYS[at], -16) end
  end
end
if #waited > 0 then redis.call('PUBLISH', ARGV[3], table.concat(waited)) end
return #waited
