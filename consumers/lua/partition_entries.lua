-- Read all entries of some buckets. KEYS: prefix..'m'; ARGV: first bucket, last bucket
local prefix, found = string.sub(KEYS[1], 1, -2), {}
for bucket = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  for _, entry in ipairs(redis.call('HVALS', prefix .. 'e:' .. bucket)) do found[#found + 1] = entry end
end
return found
