-- Let windows go that start at or before a time. Harmless to repeat, so it needs no fence.
-- KEYS: prefix..'m'; ARGV: model:stream, until
local prefix = string.sub(KEYS[1], 1, -2)
local index = prefix .. 'i:' .. ARGV[1]
for _, start in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', ARGV[2], 'LIMIT', 0, 1000)) do
  redis.call('UNLINK', prefix .. 'w:' .. ARGV[1] .. ':' .. start)
  redis.call('ZREM', index, start)
end
return redis.status_reply('OK')
