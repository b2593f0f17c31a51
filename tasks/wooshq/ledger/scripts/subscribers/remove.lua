-- remove.lua: forgets a webhook, with what waits for it.
-- uses clock
-- uses full
-- uses history
-- KEYS[1]   subscribers                    zset
-- KEYS[2]   subscriber:<subscriber>        hash
-- KEYS[3]   subscriber:<subscriber>:due    zset
-- KEYS[4]   subscriber:<subscriber>:tries  hash
-- KEYS[5]   subscriber:<subscriber>:log    list
-- KEYS[6]   changes                        stream
-- ARGV      subscriber, why, by whom
-- derived   telling
-- returns   1 | 0 (no webhook has this name)
-- cost      O(events that wait for it)
-- moves     none
-- again     another answer, changes nothing: it is gone
-- memory    works in a full Redis: the first write is HDEL
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local waiting = redis.call('ZCARD', KEYS[3])
free_first(KEYS[2])
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('ZREM', KEYS[1], ARGV[1])
note_change(KEYS[6], now_ms(), 'remove', string.gsub(ARGV[1], '/', ' ', 1), ARGV[2], ARGV[3], '', '', {n = waiting, result = 'removed'})
return 1
