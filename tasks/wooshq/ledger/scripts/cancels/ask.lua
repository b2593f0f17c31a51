-- ask.lua: notes that the API must be asked to cancel the message of a sent intent, which Pushwoosh holds until its schedule. The intent
--          stays sent, and its row says what the API answered.
-- uses clock
-- uses history
-- uses events/ended
-- uses full
-- uses row
-- KEYS[1]   intent:<id>
-- KEYS[2]   cancels      zset
-- KEYS[3]   changes      stream
-- ARGV      id, until when Pushwoosh holds the message ms, how long an ended intent is kept ms, why or '', by whom or '' (then it is not noted)
-- derived   events, telling
-- returns   'asked' | 'cancelled' (the API has cancelled it already) | 'gone' | <the state that the intent is in now>
-- cost      O(log cancels)
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is DEL or HDEL
local v = fields_of(KEYS[1], 'state', 'cancel')
if not v[1] then return 'gone' end
if v[1] ~= 'sent' then return v[1] end
if v[2] == 'asked' or v[2] == 'cancelled' then return v[2] end
local now = now_ms()
spread(KEYS[1])
free_first(KEYS[1])
redis.call('HSET', KEYS[1], 'cancel', 'asked', 'cancel_asked', now, 'cancel_until', ARGV[2])
-- If an earlier request may have cancelled the message, a refusal of the next one is no proof that it was not.
if v[2] ~= 'unknown' then redis.call('HDEL', KEYS[1], 'cancel_lost') end
redis.call('HDEL', KEYS[1], 'cancel_answered', 'cancel_detail', 'cancel_token', 'cancel_last', 'cancel_tries')
redis.call('ZADD', KEYS[2], now, ARGV[1])
local keep = ARGV[2] - now + ARGV[3]
if redis.call('PTTL', KEYS[1]) < keep then redis.call('PEXPIRE', KEYS[1], keep) end
tell_again(KEYS[1], 'sent', ARGV[1], now)
tell_all(now)
if ARGV[5] ~= '' then note_change(KEYS[3], now, 'cancel', 'intent ' .. ARGV[1], ARGV[4], ARGV[5], '', '', {n = 1, result = 'asked Pushwoosh'}) end
return 'asked'
