-- note.lua: between two calls of one claim. After a call that the API did not accept, the calls so far are recorded, and none is in progress: a
-- worker that is lost while it waits leaves nothing in doubt. Before the next call the ledger records that it begins.
-- uses clock
-- uses history
-- uses row
-- KEYS[1]   intent:<id>
-- ARGV      token, 'waits' | 'calls', then one per call of this claim so far: the attempt, JSON
-- returns   'noted' | 'lost' (another worker has it, or it is final)
-- cost      O(attempts)
-- moves     none
-- again     same answer, changes nothing: the row has the token, and how many attempts of this claim are in it
-- memory    works in a full Redis: the first write is DEL or HDEL
local v = fields_of(KEYS[1], 'state', 'lease', 'noted')
if v[1] ~= 'sending' or v[2] ~= ARGV[1] then return 'lost' end
spread(KEYS[1])
redis.call('HDEL', KEYS[1], '')
local noted = tonumber(v[3] or 0)
for i = noted + 1, #ARGV - 2 do remember(KEYS[1], ARGV[i + 2]) end
redis.call('HSET', KEYS[1], 'noted', math.max(noted, #ARGV - 2))
if ARGV[2] == 'waits' then
  redis.call('HDEL', KEYS[1], 'begun')
else
  redis.call('HSETNX', KEYS[1], 'begun', now_ms())
end
return 'noted'
