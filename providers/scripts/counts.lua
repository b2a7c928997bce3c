-- Adds to what accounts did on a day, over all processes, and tells how much that is now.
-- KEYS     of each account and day a hash: calls, failed, cost (billionths), failures by reason
-- ARGV[1]  MessagePack: me and number name what is added, so that it is added once however often
--          it is sent; number is nought when there is nothing; added to each of the hashes;
--          ends, the seconds after which a hash is forgotten
-- Returns  MessagePack: fields and values of each hash, one after the other
local asked = cmsgpack.unpack(ARGV[1])
local seen = 'counts:seen:' .. asked.me
local number = string.format('%.0f', asked.number)
local new = asked.number > 0 and redis.call('GET', seen) ~= number
if new then redis.call('SET', seen, number, 'EX', asked.ends) end
local found = {}
for i, key in ipairs(KEYS) do
  if new and next(asked.added[i]) then
    for field, by in pairs(asked.added[i]) do
      redis.call('HINCRBY', key, field, string.format('%.0f', by))
    end
    redis.call('EXPIRE', key, asked.ends)
  end
  found[i] = redis.call('HGETALL', key)
end
return cmsgpack.pack(found)
