-- Take a partition over: a new token fences every earlier owner. Returns what is stored.
-- KEYS: prefix..'m'; ARGV: token, number of buckets for a new partition
local meta, prefix = KEYS[1], string.sub(KEYS[1], 1, -2)
redis.call('HSET', meta, 'token', ARGV[1])
redis.call('HSETNX', meta, 'buckets', ARGV[2])
if redis.call('HEXISTS', meta, 'n') == 0 then -- new, or of a version whose buckets did not grow
  local count = 0
  for number = 0, redis.call('HGET', meta, 'buckets') - 1 do
    count = count + redis.call('HLEN', prefix .. 'e:' .. number)
  end
  redis.call('HSET', meta, 'n', count)
end
local state = redis.call('HMGET', meta, 'po', 'lo', 'seq', 'clocks', 'tables', 'topics')
return {state, redis.call('HGETALL', prefix .. 't'), redis.call('HGETALL', prefix .. 'n')}
