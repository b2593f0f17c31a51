-- forget_act.lua: writes an act of the audit log again, at the end of the stream, without a person. Its field `was` is its id.
-- uses full
-- uses history
-- KEYS[1]   changes  stream
-- KEYS[2]   telling  hash
-- ARGV      its entry, then its fields and values
-- returns   'done' | 'gone' (somebody else did it, or it has left the stream)
-- cost      O(fields)
-- moves     none
-- again     another answer, changes nothing: the entry is gone
-- memory    works in a full Redis: the first write is HDEL
free_first(KEYS[2])
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not entry then return 'gone' end
redis.call('XDEL', KEYS[1], ARGV[1])
if redis.call('HGET', KEYS[2], 'heard|history') then redis.call('HINCRBY', KEYS[2], 'acts_bytes', -act_bytes(entry[2])) end
local fields = {}
for n = 2, #ARGV do fields[n - 1] = ARGV[n] end
add_act(KEYS[1], fields)
return 'done'
