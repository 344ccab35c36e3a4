-- Read what is stored of a model's cohorts between two starts. Returns {start, {difference}*}*.
-- KEYS: prefix..'m'; ARGV: model, first start, last start
local prefix = string.sub(KEYS[1], 1, -2)
local cohorts = {}
for n, start in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'd:' .. ARGV[1], ARGV[2], ARGV[3])) do
  cohorts[n] = {start, redis.call('LRANGE', prefix .. 'c:' .. ARGV[1] .. ':' .. start, 0, -1)}
end
return cohorts
