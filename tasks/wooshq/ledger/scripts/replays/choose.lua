-- choose.lua: adds letters to a replay that is planned, in the order in which they will be replayed.
-- KEYS[1]   replay:<replay>           hash
-- KEYS[2]   replay:<replay>:letters   list
-- KEYS[3]   replay:<replay>:outcomes  string
-- KEYS[4]   replay:<replay>:why       hash
-- ARGV      how many letters were added before, how long a plan is kept ms, then one line per letter: its id, or its id, a line break, and why it is
--           left out
-- returns   'chosen' | 'lost' (other letters were added, or it was started) | 'gone'
-- cost      O(letters); the caller bounds how many
-- moves     outcome → waiting (chosen), left_out (leave_out)
-- again     another answer, changes nothing: the number of letters is the token
-- memory    refused by a full Redis: the first write is RPUSH
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
if state ~= 'planned' or redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[1]) then return 'lost' end
local outcomes, left_out = {}, 0
for i = 3, #ARGV do
  local id, why = string.match(ARGV[i], '^([^\n]*)\n(.*)$')
  redis.call('RPUSH', KEYS[2], id or ARGV[i])
  outcomes[#outcomes + 1] = id and 'X' or '.'
  if id then
    left_out = left_out + 1
    redis.call('HSET', KEYS[4], ARGV[1] + i - 3, why)
  end
end
redis.call('SETRANGE', KEYS[3], ARGV[1], table.concat(outcomes))
redis.call('HINCRBY', KEYS[1], 'total', #outcomes)
redis.call('HINCRBY', KEYS[1], 'left_out', left_out)
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return 'chosen'
