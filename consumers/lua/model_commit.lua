-- Apply one evaluation: validate first, then write, the sequence last.
-- KEYS: prefix..'m', prefix..'o', prefix..'h'
-- ARGV: token, old sequence, state, history length, number of events, then events and history records
local state = redis.call('HMGET', KEYS[1], 'token', 'seq', 'state')
if state[1] ~= ARGV[1] then return 'fenced' end
local seq, old = tonumber(state[2] or '0'), tonumber(ARGV[2])
if seq == old + 1 and state[3] == ARGV[3] then return 'already' end
if seq ~= old then return 'mismatch' end
local last_event = 5 + tonumber(ARGV[5])
for i = 6, last_event do redis.call('RPUSH', KEYS[2], ARGV[i]) end
for i = last_event + 1, #ARGV do redis.call('LPUSH', KEYS[3], ARGV[i]) end
redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[4]) - 1)
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'seq', old + 1)
return 'committed'
