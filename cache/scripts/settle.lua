-- Keep outcomes and give back claims, in one trip.
-- KEYS   the claims, then the outcomes
-- ARGV   our token, how long `done` stands in milliseconds, the channel, the number n of claims,
--        then for each claim 1 when its outcome is kept and 0 when not,
--        then for each outcome its time to live in milliseconds and its envelope
-- Publishes the digests of those claims that somebody waits for; returns how many.
local token, claims, waited = ARGV[1], tonumber(ARGV[4]), {}
for at = claims + 1, #KEYS do
  local from = 4 + claims + 2 * (at - claims) - 1
  redis.call('SET', KEYS[at], ARGV[from + 1], 'PX', ARGV[from])
end
for at = 1, claims do
  local holder = redis.call('GET', KEYS[at])
  if holder and string.sub(holder, 1, #token) == token then
    if ARGV[4 + at] == '1' then
      redis.call('SET', KEYS[at], 'done', 'PX', ARGV[2])
    else
      redis.call('DEL', KEYS[at])
    end
    if string.sub(holder, -1) == '!' then waited[#waited + 1] = string.sub(KEYS[at], -16) end
  end
end
if #waited > 0 then redis.call('PUBLISH', ARGV[3], table.concat(waited)) end
return #waited
