-- forget_intent.lua: takes a person out of an intent's row, or removes the row if it is about this person alone.
-- uses row
-- KEYS[1]   intent:<id>
-- ARGV      '1' (remove the row; it has ended) | '0' (change it), its state and its number of attempts ('' for none) as they were read, the body
--           without the person, then pairs of other fields that change
-- returns   'done' (also if the row is gone) | 'busy' (it has moved since then, a worker holds it, or letters still have to follow it)
-- cost      O(size of the row)
-- moves     none
-- again     same answer, changes nothing: it writes the same
-- memory    works in a full Redis: the first write is DEL or HDEL
local v = fields_of(KEYS[1], 'state', 'n', 'share')
if not v[1] then return 'done' end
if v[1] ~= ARGV[2] or (v[2] or '') ~= ARGV[3] or v[1] == 'sending' then return 'busy' end
if v[3] and redis.call('PTTL', KEYS[1]) < 0 then return 'busy' end
if ARGV[1] == '1' then
  if v[1] == 'queued' or v[1] == 'retrying' then return 'busy' end
  redis.call('DEL', KEYS[1])
  return 'done'
end
spread(KEYS[1])
redis.call('HDEL', KEYS[1], unpack(PIECES))
local fields = {}
add_body(fields, ARGV[4])
for i = 5, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', KEYS[1], unpack(fields))
return 'done'
