-- retry.lua: an operator has the history take again what was set aside: it is told once more. What is refused again is set aside again.
-- uses clock
-- uses full
-- uses history
-- uses row
-- uses events/ended
-- KEYS[1]   telling        hash
-- KEYS[2]   history_aside  hash
-- KEYS[3]   changes        stream
-- ARGV      why or '', by whom, then '<intent, letter or job> <id>' each
-- derived   intent:<id>, letter:<letter>, job:<job>, events
-- returns   <how many are told again> | 'off' (nobody keeps a history)
-- cost      O(rows); the caller bounds how many
-- moves     none
-- again     another answer, changes only telling
-- memory    works in a full Redis: the first write is HDEL
local MOST = 1000
if not redis.call('HGET', KEYS[1], 'heard|history') then return 'off' end
free_first(KEYS[1])
local prefix, now, n = string.match(KEYS[1], '^[^}]*}:'), now_ms(), 0
-- More than are listed may have been refused: a sweep finds them.
if redis.call('HLEN', KEYS[2]) >= MOST then
  redis.call('HINCRBY', KEYS[1], 'untold', 1)
  redis.call('HSETNX', KEYS[1], 'untold_at', now)
end
for i = 3, #ARGV do
  if redis.call('HDEL', KEYS[2], ARGV[i]) == 1 then
    local kind, id = string.match(ARGV[i], '^(%S+) (%S+)$')
    local state = fields_of(prefix .. kind .. ':' .. id, 'state')[1]
    if state then
      tell_changed(kind == 'intent' and state or kind, id)
      n = n + 1
    end
  end
end
tell_all(now)
if n > 0 then
  redis.call('HSET', KEYS[1], 'aside', redis.call('HLEN', KEYS[2]))
  note_change(KEYS[3], now, 'retry', 'history', ARGV[1], ARGV[2], '', '', {n = n, result = 'told again'})
end
return n
