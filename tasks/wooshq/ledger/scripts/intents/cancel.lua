-- cancel.lua: cancels an intent that was not sent yet and that no worker holds.
-- uses clock
-- uses letters
-- uses queue
-- uses history
-- uses row
-- KEYS[1]   intent:<id>
-- KEYS[2]   due          zset
-- KEYS[3]   expiry       zset
-- KEYS[4]   counts       hash
-- KEYS[5]   changes      stream
-- ARGV      id, how long an ended intent is kept ms, how long a letter is kept ms, why or '', by whom or '' (then it is not noted)
-- derived   events, telling, causes, cause:<cause>, queue:<lane>, suspects:<lane>, letter:<letter> (of an intent that is a replay),
--           replay:<replay> (of such a letter)
-- returns   'gone' | <the state that the intent is in now>
-- cost      O(log ledger)
-- moves     intent queued | retrying → cancelled (cancel); letter replaying → open (unsent); outcome begun → cancelled (cancel)
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is ZREM
local v = fields_of(KEYS[1], 'state', 'lane', 'app')
if not v[1] then return 'gone' end
if v[1] ~= 'queued' and v[1] ~= 'retrying' then return v[1] end
redis.call('ZREM', KEYS[2], ARGV[1])
spread(KEYS[1])
unqueue(KEYS[1], ARGV[1], v[2], v[3])
finish(KEYS[1], ARGV[1], 'cancelled', now_ms(), ARGV[2], KEYS[3], KEYS[4], {})
reopen_letter(KEYS[1], ARGV[1], 'cancelled', ARGV[3])
tell_all(now_ms())
if ARGV[5] ~= '' then note_change(KEYS[5], now_ms(), 'cancel', 'intent ' .. ARGV[1], ARGV[4], ARGV[5], '', '', {n = 1, result = 'cancelled'}) end
return 'cancelled'
