-- cancel.lua: cancels an intent that was not sent yet and that no worker holds.
-- uses clock
-- uses letters
-- KEYS[1]   intent:<id>           hash
-- KEYS[2]   due                   zset
-- KEYS[3]   expiry                zset
-- KEYS[4]   counts                hash
-- KEYS[5]   queued:transactional  zset
-- KEYS[6]   queued:bulk           zset
-- KEYS[7]   held:<application>    zset
-- ARGV      id, how long an ended intent is kept ms, how long a letter is kept ms
-- derived   letter:<letter> (of an intent that is a replay)
-- returns   'gone' | <the state that the intent is in now>
-- cost      O(log ledger)
-- moves     intent queued | retrying | held → cancelled (cancel); letter replaying → open (unsent)
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is ZREM
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
if state ~= 'queued' and state ~= 'retrying' and state ~= 'held' then return state end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('ZREM', KEYS[6], ARGV[1])
redis.call('ZREM', KEYS[7], ARGV[1])
finish(KEYS[1], ARGV[1], 'cancelled', now_ms(), ARGV[2], KEYS[3], KEYS[4], {})
reopen_letter(KEYS[1], ARGV[1], 'cancelled', ARGV[3])
return 'cancelled'
