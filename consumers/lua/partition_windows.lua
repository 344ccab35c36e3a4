-- Read a model's windows of one partition, if it has not gone back. Returns {start, {field, summary}*}*.
-- KEYS: prefix..'m'; ARGV: model:stream, first start, last start, limit (-1: all), offsets that must be stored
local prefix = string.sub(KEYS[1], 1, -2)
local at = redis.call('HMGET', KEYS[1], 'po', 'lo')
if tonumber(at[1] or '-1') < tonumber(ARGV[5]) or tonumber(at[2] or '-1') < tonumber(ARGV[6]) then return false end
local starts = redis.call('ZRANGEBYSCORE', prefix .. 'i:' .. ARGV[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local windows = {}
for n, start in ipairs(starts) do
  windows[n] = {start, redis.call('HGETALL', prefix .. 'w:' .. ARGV[1] .. ':' .. start)}
end
return windows
