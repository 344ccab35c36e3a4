-- Apply one evaluation: validate first, then write, the sequence last.
-- KEYS: prefix..'m', prefix..'o', prefix..'h'
-- ARGV: token, old sequence, state, events, history, history length
local state = redis.call('HMGET', KEYS[1], 'token', 'seq', 'state')
if state[1] ~= ARGV[1] then return 'fenced' end
local seq, old = tonumber(state[2] or '0'), tonumber(ARGV[2])
if seq == old + 1 and state[3] == ARGV[3] then return 'already' end
if seq ~= old then return 'mismatch' end
local events, history = cmsgpack.unpack(ARGV[4]), cmsgpack.unpack(ARGV[5])
for _, event in ipairs(events) do redis.call('RPUSH', KEYS[2], event) end
for _, record in ipairs(history) do redis.call('LPUSH', KEYS[3], record) end
redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[6]) - 1)
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'seq', old + 1)
return 'committed'
