-- Read the entries of many ids. Returns one value or false per id.
-- KEYS: prefix..'m'; ARGV: ids joined, bytes per id
local prefix, ids, width = string.sub(KEYS[1], 1, -2), ARGV[1], tonumber(ARGV[2])
local buckets = tonumber(redis.call('HGET', KEYS[1], 'buckets') or '1')
local found, n, sub, unpack4, call = {}, 0, string.sub, struct.unpack, redis.call
for at = 1, #ids, width do
  local id = sub(ids, at, at + width - 1)
  n = n + 1
  found[n] = call('HGET', prefix .. 'e:' .. unpack4('<I4', id) % buckets, id)
end
return found
