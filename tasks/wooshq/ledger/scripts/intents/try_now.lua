-- try_now.lua: an operator ends the wait of a retry: its time has come. What a gate, a pause or a slot holds back stays held back.
-- uses clock
-- uses history
-- uses row
-- KEYS[1]   intent:<id>
-- KEYS[2]   due          zset
-- KEYS[3]   changes      stream
-- ARGV      id, why or '', by whom
-- derived   telling
-- returns   'gone' | <the state that the intent is in>
-- cost      O(log due)
-- moves     none
-- again     same answer, changes nothing: its time has come already
-- memory    refused by a full Redis: the first write is HSET
local state = fields_of(KEYS[1], 'state')[1]
if not state then return 'gone' end
local now = now_ms()
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if state ~= 'retrying' or not due or tonumber(due) <= now then return state end
redis.call('HSET', KEYS[1], 'due', now)
redis.call('ZADD', KEYS[2], 'XX', now, ARGV[1])
note_change(KEYS[3], now, 'try_now', 'intent ' .. ARGV[1], ARGV[2], ARGV[3], '', '', {n = 1, result = 'due now'})
return state
