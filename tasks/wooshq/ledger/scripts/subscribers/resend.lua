-- resend.lua: an event is delivered once more to a webhook, as soon as possible.
-- uses clock
-- uses history
-- KEYS[1]   subscriber:<subscriber>        hash
-- KEYS[2]   subscriber:<subscriber>:due    zset
-- KEYS[3]   subscriber:<subscriber>:tries  hash
-- KEYS[4]   outward                        stream
-- KEYS[5]   changes                        stream
-- ARGV      subscriber, place of the event in the stream, its id, why, by whom
-- derived   telling
-- returns   'queued' | 'unknown' (no webhook has this name) | 'gone' (the event is not kept any more)
-- cost      O(log events)
-- moves     none
-- again     same answer, changes only subscriber:<subscriber>:due, changes and telling: it is due already
-- memory    works in a full Redis: the first write is HDEL
if redis.call('EXISTS', KEYS[1]) == 0 then return 'unknown' end
if #redis.call('XRANGE', KEYS[4], ARGV[2], ARGV[2]) == 0 then return 'gone' end
local now = now_ms()
redis.call('HDEL', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[1], 'quiet_till')
redis.call('ZADD', KEYS[2], now, ARGV[2])
note_change(KEYS[5], now, 'resend', string.gsub(ARGV[1], '/', ' ', 1), ARGV[4], ARGV[5], '', '', {n = 1, selection = ARGV[3], result = 'queued'})
return 'queued'
