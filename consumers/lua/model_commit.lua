-- Apply one evaluation: validate first, then write, the sequence last.
-- KEYS: prefix..'m', prefix..'o', prefix..'h'
-- ARGV: token, old sequence, state, history length, start of the last closed window, hash and text of a learned
-- profile ('' for none), number of events, then events and history records
local state = redis.call('HMGET', KEYS[1], 'token', 'seq', 'state')
if state[1] ~= ARGV[1] then return 'fenced' end
local seq, old = tonumber(state[2] or '0'), tonumber(ARGV[2])
if seq == old + 1 and state[3] == ARGV[3] then return 'already' end
if seq ~= old then return 'mismatch' end
local last_event = 8 + tonumber(ARGV[8])
for i = 9, last_event do redis.call('RPUSH', KEYS[2], ARGV[i]) end
for i = last_event + 1, #ARGV do redis.call('LPUSH', KEYS[3], ARGV[i]) end
redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[4]) - 1)
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'reference', ARGV[6], 'profile', ARGV[7]) end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'closed', ARGV[5], 'seq', old + 1)
return 'committed'
