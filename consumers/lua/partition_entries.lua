-- Read all entries of some classes of buckets: those whose number has the same rest. An entry never leaves
-- its class while buckets are split, so whoever reads class by class finds each entry once.
-- KEYS: prefix..'m'; ARGV: first class, last class, number of classes
local prefix, found = string.sub(KEYS[1], 1, -2), {}
local state = redis.call('HMGET', KEYS[1], 'buckets', 'split')
local buckets = (state[1] or 0) + (state[2] or 0)
for class = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  for number = class, buckets - 1, tonumber(ARGV[3]) do
    for _, entry in ipairs(redis.call('HVALS', prefix .. 'e:' .. number)) do found[#found + 1] = entry end
  end
end
return found
