-- file_letters.lua: the keeper files some dead letters of a chunk that it holds. Their recipients are marked dead after that.
-- uses clock
-- uses full
-- uses letters/dead_recipients
-- KEYS[1]   chunk:<job>:<chunk>  hash
-- KEYS[2]   letters              zset
-- KEYS[3]   expiry               zset
-- KEYS[4]   counts               hash
-- KEYS[5…]  intent:<id>          hash, one per letter
-- ARGV[1]   JSON: {job, token, dead_ms, v, letters (as in record.lua)}
-- derived   events, telling, causes, cause:<cause>, letter:<letter> (of a dead recipient)
-- returns   'filed' | 'held' (another worker has the chunk by now)
-- cost      O(letters × log ledger); the caller bounds them
-- moves     intent → dead (filed); letter → open (filed)
-- again     same answer, changes nothing: a letter that was filed before is not touched
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local r = cjson.decode(ARGV[1])
if redis.call('HGET', KEYS[1], 'lease') ~= r.token then return 'held' end
free_first(KEYS[1])
file_dead_recipients(r.letters, function(i) return KEYS[4 + i] end, {KEYS[2], KEYS[3], KEYS[4]}, r.job, r.v, now, r.dead_ms)
tell_all(now)
return 'filed'
