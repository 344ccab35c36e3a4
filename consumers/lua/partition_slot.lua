-- Read a partition as one model's evaluator sees it: sequence, clocks and the windows asked for.
-- KEYS: prefix..'m'; ARGV: model:stream, after, limit (-1: all)
local prefix = string.sub(KEYS[1], 1, -2)
local state = redis.call('HMGET', KEYS[1], 'seq', 'clocks')
local windows = {}
for _, start in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'i:' .. ARGV[1], '(' .. ARGV[2], '+inf',
                                   'LIMIT', 0, ARGV[3])) do
  windows[#windows + 1] = {start, redis.call('HGETALL', prefix .. 'w:' .. ARGV[1] .. ':' .. start)}
end
return {state, windows}
