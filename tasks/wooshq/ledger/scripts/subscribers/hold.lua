-- hold.lua: a person pauses a webhook, or resumes it. While it is paused, its events wait for it.
-- uses clock
-- uses history
-- KEYS[1]   subscriber:<subscriber>  hash
-- KEYS[2]   changes                  stream
-- ARGV      subscriber, 'pause' | 'resume', why, by whom
-- derived   telling
-- returns   'gone' | {<its state now>, 1 (this call moved it) | 0}
-- cost      O(1)
-- moves     none
-- again     another answer, changes nothing: it is there already
-- memory    works in a full Redis: the first write is HDEL
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
local wanted = ARGV[2] == 'pause' and 'paused' or 'active'
if state == wanted then return {state, 0} end
local now = now_ms()
redis.call('HDEL', KEYS[1], 'streak', 'quiet_till', 'failing_since', 'held_why', 'held_at', 'held_by')
redis.call('HSET', KEYS[1], 'state', wanted)
if wanted == 'paused' then redis.call('HSET', KEYS[1], 'held_why', ARGV[3], 'held_at', now, 'held_by', ARGV[4]) end
note_change(KEYS[2], now, ARGV[2], string.gsub(ARGV[1], '/', ' ', 1), ARGV[3], ARGV[4], '', '', {result = wanted})
return {wanted, 1}
