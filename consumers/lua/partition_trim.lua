-- Let windows or cohorts go that start at or before a time. Harmless to repeat, so it needs no fence.
-- KEYS: prefix..'m'; ARGV: what the index's key begins with, what theirs do, until
local prefix = string.sub(KEYS[1], 1, -2)
local index = prefix .. ARGV[1]
for _, start in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', ARGV[3], 'LIMIT', 0, 1000)) do
  redis.call('UNLINK', prefix .. ARGV[2] .. ':' .. start)
  redis.call('ZREM', index, start)
end
return redis.status_reply('OK')
