-- Put the sum of a cohort's first differences in their place, if the caller still owns the partition.
-- Harmless to repeat: after the first time the first difference is another one.
-- KEYS: prefix..'m'; ARGV: token, model:start, number of differences, the first of them, their sum
local meta, key = KEYS[1], string.sub(KEYS[1], 1, -2) .. 'c:' .. ARGV[2]
if redis.call('HGET', meta, 'token') ~= ARGV[1] then return 0 end
local count, life = tonumber(ARGV[3]), redis.call('PTTL', key)
if redis.call('LLEN', key) >= count and redis.call('LINDEX', key, 0) == ARGV[4] then
  redis.call('LTRIM', key, count, -1)
  redis.call('LPUSH', key, ARGV[5])
  if life > 0 then redis.call('PEXPIRE', key, life) end
end
return 1
