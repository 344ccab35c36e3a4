-- Read the entries of many ids. Returns one value or false per id.
-- KEYS: prefix..'m'; ARGV: ids joined, bytes per id
local prefix, ids, width = string.sub(KEYS[1], 1, -2), ARGV[1], tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'buckets', 'split')
local base, split = tonumber(state[1] or '1'), tonumber(state[2] or '0')
local found, n, sub, unpack4, call = {}, 0, string.sub, struct.unpack, redis.call
for at = 1, #ids, width do
  local id = sub(ids, at, at + width - 1)
  local hash = unpack4('<I4', id)
  local number = hash % base
  if number < split then number = hash % (2 * base) end
  n = n + 1
  found[n] = call('HGET', prefix .. 'e:' .. number, id)
end
return found
