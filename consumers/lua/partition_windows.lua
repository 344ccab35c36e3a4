-- Read a model's windows of one partition. Returns {start, {field, summary}*}*.
-- KEYS: prefix..'m'; ARGV: model:stream, first start, last start, limit (-1: all)
local prefix = string.sub(KEYS[1], 1, -2)
local starts = redis.call('ZRANGEBYSCORE', prefix .. 'i:' .. ARGV[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local windows = {}
for n, start in ipairs(starts) do
  windows[n] = {start, redis.call('HGETALL', prefix .. 'w:' .. ARGV[1] .. ':' .. start)}
end
return windows
